"""Run the frozen layers once per image, so that training does not repeat them in each epoch.

Features from an interrupted run, or from the last recorded result, are not computed again. Reads
data/raw/archives/, data/split/paths.csv and models/extractor/. Params: `model.resize`, `augment`,
`clean.bits`, `hardware.kernels`. Writes data/features/ with a folder for each split, and
data/features.json, which identifies the inputs that decide the bytes of a row. Run: `python -m
stages.features`
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import PATHS, TRAIN
from pawprint.base.errors import InputError, counted
from pawprint.base.files import read_text, replacing, write_json, writing
from pawprint.base.tables import read_table, training_images
from pawprint.base.threads import VARIABLE as DASK
from pawprint.given.archive import open_archive
from pawprint.network import feature_reuse
from pawprint.network.store import DETECTOR_IMAGES, STORED_SPLITS, count_shards
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.data import Augment, Clean
from pawprint.pipeline.params.model import Hardware, Model
from pawprint.pipeline.recorded import stored_features


def main() -> Callable[[], None]:
    """Compute the missing rows of features, and return a function that publishes all rows.

    A process has one kind of kernels, so another one computes native rows.
    """
    kernels = Hardware.load().kernels
    if kernels == "native" and os.environ.get(DASK):
        raise InputError(
            f"hardware.kernels: expected portable with {DASK}, because a worker has one kind of "
            "kernels. Received: native. Change it, or unset the variable."
        )
    images = read_table(paths.PATHS_CSV, PATHS)
    if kernels == "portable":
        folders, computed = compute(images, kernels, STORED_SPLITS)
    else:
        native = compute_elsewhere(images, kernels, [TRAIN])
        others = compute(images, "portable", [split for split in STORED_SPLITS if split != TRAIN])
        folders, computed = native[0] | others[0], native[1] | others[1]
    reused = images["pixels_sha256"].nunique() - len(computed)
    print(f"features: {counted(len(computed), 'image')} computed, {reused:,} reused")
    # If an input has changed and this is not called, the next run finds the shards.
    return partial(publish, folders, origin_with(kernels))


def origin_with(kernels: str) -> dict[str, object]:
    """Return `origin_of` for the extractor and the recorded code."""
    code = read_text(paths.FEATURE_ROW_CODE)
    return feature_reuse.origin_of(paths.EXTRACTOR, Model.load().resize, code, kernels)


def compute(
    images: pd.DataFrame, kernels: str, splits: Iterable[str]
) -> tuple[dict[str, Path], set[str]]:
    """Compute the rows of some splits of the `images` with one kind of kernels.

    Returns the folder of each split, and the `pixels_sha256` of images that had to be computed.
    """
    resize = Model.load().resize
    size, kinds = feature_reuse.shapes_of(paths.EXTRACTOR)
    origin = origin_with(kernels)
    path = feature_reuse.place_of_rows(paths.INTERRUPTED_FEATURES, origin)
    earlier = feature_reuse.earlier_shards(origin, stored_features())
    numbers = images["split"].value_counts().to_dict()
    folders = {split: path / split / str(count_shards(numbers.get(split, 0))) for split in splits}
    todo = [
        task for each in folders.items() for task in feature_reuse.tasks(images, *each, earlier)
    ]
    source = open_archive(paths.RAW_ARCHIVES, Clean.load().bits)
    with source as archive, writing(paths.FEATURES, paths.INTERRUPTED_FEATURES.absolute()):
        rows_of = feature_reuse.NetworkRows(paths.EXTRACTOR.absolute(), resize, kernels == "native")
        views = views_to_store(images, size)
        computer = feature_reuse.ShardComputer(archive, rows_of, kinds, views)
        if TRAIN in folders:  # the first process checks the space for all splits
            feature_reuse.require_space(paths.FEATURES, computer.size_of(images))
        return folders, feature_reuse.write_shards(computer, todo)


def compute_elsewhere(
    images: pd.DataFrame, kernels: str, splits: list[str]
) -> tuple[dict[str, Path], set[str]]:
    """Return the result of `compute` in a process of its own. Raises InputError if it ends."""
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), end_with_parent) as process:
            return process.submit(compute, images, kernels, splits).result()
    except BrokenProcessPool:
        raise InputError(
            f"hardware.kernels: the process for {kernels} kernels ended early; its error is above, "
            "or memory ran out. Close other programs, or set portable."
        ) from None


def end_with_parent() -> None:
    """End this child process in silence on Ctrl+C, and when its parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def views_to_store(images: pd.DataFrame, size: int) -> feature_reuse.ViewsOf:
    """Return the views of an image to store, for squares of `size` pixels.

    The detector of unknown inputs is fitted to unchanged training images. If no training view is
    the image itself, these images get an extra row.
    """
    augment = Augment.load()
    themselves: frozenset[str] = frozenset()
    if not augment.keep_original:
        themselves = frozenset(training_images(images, DETECTOR_IMAGES)["pixels_sha256"])
    return partial(feature_reuse.views_of, augment, size, themselves)


def publish(folders: dict[str, Path], origin: dict) -> None:
    """Write the output from the folders of the splits and remove leftovers of interrupted runs."""
    with replacing(paths.FEATURES) as new:
        new.mkdir()
        for split, folder in folders.items():
            shutil.move(folder, new / split)
    write_json(paths.FEATURES_ORIGIN, origin)
    shutil.rmtree(paths.INTERRUPTED_FEATURES, ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
