"""Run the frozen layers once per image, so that training does not repeat them in each epoch.

Draws augmented views of a photo first, unless the last run drew the same. Features from an
interrupted run, or from the last recorded result, are not computed again. Reads data/raw/archives/,
data/split/paths.csv, unknown.csv and unlabelled.csv in data/clean/, and models/extractor/. Params:
`model.resize`, `augment`, `clean.bits`. Writes plots/augmented.jpg, data/features/ with a folder
for each split, and data/features.json, which identifies the inputs that decide the bytes of a row.
Run: `python -m stages.features`
"""

import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from pawprint import paths
from pawprint.classes import UNKNOWN, UNLABELLED
from pawprint.columns import IMAGES, PATHS, TRAIN
from pawprint.features.reuse import earlier_shards, origin_of, place_of_rows
from pawprint.features.rows import row_function
from pawprint.features.shards import (
    ShardComputer,
    ViewsOf,
    require_space,
    tasks,
    views_of,
    write_shards,
)
from pawprint.features.store import STORED_SPLITS, count_shards
from pawprint.files import read_mapping, read_text, replacing, write_json, writing
from pawprint.images.archive import Archive, open_archive
from pawprint.model.detector import DETECTOR_IMAGES
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.pipeline.entry import at_end, run_stage
from pawprint.pipeline.recorded import Recorded
from pawprint.runtime import image_size_of, output_shapes, read_network
from pawprint.tables import parse_table, read_table, training_images


def main() -> None:
    """Compute the missing rows of features, and publish all rows."""
    resize = Model.load().resize
    network = read_network(paths.EXTRACTOR)
    images = read_images()
    origin = origin_of(paths.EXTRACTOR, resize, read_text(paths.FEATURE_ROW_CODE))
    path = place_of_rows(origin)
    recorded = Recorded()
    earlier = earlier_shards(recorded, origin)
    numbers = images["split"].value_counts().to_dict()
    folders = {
        split: path / split / str(count_shards(numbers.get(split, 0))) for split in STORED_SPLITS
    }
    todo = [task for each in folders.items() for task in tasks(images, *each, earlier)]
    source = open_archive(paths.RAW_ARCHIVES, Clean.load().bits)
    with source as archive, writing(paths.FEATURES, paths.INTERRUPTED_FEATURES.absolute()):
        size = image_size_of(network)
        write_figure(recorded, origin, archive, images, size)
        compute = row_function(network, resize)
        views = views_to_store(images, size)
        computer = ShardComputer(archive, compute, output_shapes(network), views)
        require_space(paths.FEATURES, computer.size_of(images))
        computed = write_shards(computer, todo)
    reused = images["pixels_sha256"].nunique() - len(computed)
    # If this fails, the next run finds the shards.
    at_end(partial(publish, folders, origin))
    print(f"features: {len(computed):,} images computed, {reused:,} reused")


def read_images() -> pd.DataFrame:
    """Return all images with features: the PATHS table, with further names of splits."""
    images = [read_table(paths.PATHS_CSV, PATHS)]
    for name, path in (UNKNOWN, paths.UNKNOWN_CSV), (UNLABELLED, paths.UNLABELLED_CSV):
        images.append(read_table(path, IMAGES).assign(split=name)[list(PATHS)])
    return pd.concat(images, ignore_index=True)


def write_figure(
    recorded: Recorded, origin: dict, archive: Archive, images: pd.DataFrame, size: int
) -> None:
    """Write the figure of augmented views, and draw it only if the last run had another one."""
    if figure := figure_of_last_run(recorded, origin, images):
        with replacing(paths.AUGMENTED) as partial_file:
            partial_file.write_bytes(figure)
        return
    # Importing Matplotlib takes longer than everything else in a run without new images.
    from pawprint.reports.augmented import write_augmented

    write_augmented(paths.AUGMENTED, archive, images, Augment.load(), size, Model.load().resize)


def figure_of_last_run(recorded: Recorded, origin: dict, images: pd.DataFrame) -> bytes | None:
    """Return the figure of augmented views if it was drawn from the same inputs, otherwise None.

    These are the code, the params, the network in `origin`, and the first training image.
    """
    now = {"augment": read_mapping(paths.PARAMS).get("augment"), "clean.bits": Clean.load().bits}
    table = recorded.content(recorded.hash_of("features", paths.PATHS_CSV, "deps"))
    last = recorded.json("features", paths.FEATURES_ORIGIN)
    is_same = (
        table is not None
        and recorded.has_code("features", read_text(paths.CODE / "features.txt"))
        and now.items() <= recorded.params("features").items()
        and isinstance(last, dict)
        and origin.items() <= last.items()
        and first_of_training(parse_table(table, PATHS)).equals(first_of_training(images))
    )
    return recorded.content(recorded.hash_of("features", paths.AUGMENTED)) if is_same else None


def first_of_training(images: pd.DataFrame) -> pd.DataFrame:
    """Return the first training image, with its path, in a PATHS table."""
    return images[images["split"] == TRAIN][:1].reset_index(drop=True)


def views_to_store(images: pd.DataFrame, size: int) -> ViewsOf:
    """Return the views of an image to store, for squares of `size` pixels.

    The detector of unknown inputs is fitted to unchanged training images. If no training view is
    the image itself, these images get an extra row.
    """
    augment = Augment.load()
    themselves: frozenset[str] = frozenset()
    if not augment.keep_original:
        themselves = frozenset(training_images(images, DETECTOR_IMAGES)["pixels_sha256"])
    return partial(views_of, augment, size, themselves)


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
