"""The door between the pipeline and the commands, the app and the served model's users.

Below the door is the pipeline; above it, everything reads its files. These functions open what a
project has recorded: params, tables, photos and results. They take the project's folder first, and
do no stage's work.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import IMAGES, SPLIT
from pawprint.base.errors import InputError, printable
from pawprint.base.files import md5
from pawprint.base.git import current_commit
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.base.tables import read_table
from pawprint.base.threads import map_in_threads
from pawprint.data.labels import completed
from pawprint.given.archive import Archive, members, open_archive
from pawprint.given.folders import find_layout
from pawprint.given.metadata_csv import read_metadata_csv
from pawprint.given.reading import open_image
from pawprint.model.metadata import Metadata
from pawprint.model.unknown_score import Detector, read_detector
from pawprint.network.cross_validation import view_of
from pawprint.network.heads import kinds_of
from pawprint.network.store import open_features
from pawprint.network.views import resize
from pawprint.pipeline.params.data import Clean
from pawprint.pipeline.recorded import Recorded, original_of


class Run(NamedTuple):
    """A project's last run: the served model's rules and detector, and the images.

    `metadata` names the images and the commit. `detector` is None without an unknown threshold.
    `split` is the table SPLIT.
    """

    folder: Path
    metadata: Metadata
    detector: Detector | None
    split: pd.DataFrame


def open_run(folder: Path, metadata: Metadata) -> Run:
    """Read the last run of a project whose served model has these rules.

    Raises InputError if a file is missing or damaged.
    """
    images = Recorded(folder=folder).hash_of("predict", paths.SPLIT_CSV, "deps")
    split = read_table(folder / paths.SPLIT_CSV, SPLIT)
    origin = {
        "data_md5": images or md5(folder / paths.SPLIT_CSV),
        "commit": current_commit(folder=folder),
    }
    has_detector = metadata.unknown_threshold is not None
    detector = read_detector(folder / paths.SERVED_MODEL) if has_detector else None
    return Run(folder, metadata.model_copy(update=origin), detector, split)


def project_name(folder: Path = Path()) -> str:
    """Return the project folder's name, even in a copy made by `dvc exp run --temp`."""
    return printable(original_of(folder).name)


def last_split(folder: Path) -> tuple[pd.DataFrame, str | None]:
    """Return the SPLIT table that a project last recorded, and the MD5 of splits.csv then.

    The MD5 is None if there was no such file. Raises InputError without a recorded result.
    """
    recorded = Recorded(folder=folder)
    result = recorded.hash_of("split", paths.SPLIT_CSV)
    if not result:
        raise InputError(f"{paths.LOCK} contains no result of `split`. Run `dvc repro split`.")
    table = read_table(recorded.file(result), SPLIT)
    return table, recorded.hash_of("split", paths.SPLITS_CSV, "deps")


def open_photos(folder: Path) -> Archive:
    """Open the photos that `fetch` recorded, to be decoded as `clean.bits` says. InputError."""
    return open_archive(folder / paths.RAW_ARCHIVES, clean_params(folder).bits)


def read_pixels(run: Run, photos: pd.Series) -> Iterator[np.ndarray]:
    """Yield the pixels of each photo as a run's model takes them, uint8 `(size, size, 3)`."""
    with open_archive(run.folder / paths.RAW_ARCHIVES, run.metadata.bits) as archive:
        yield from map_in_threads(partial(_pixels_of, archive, run.metadata), photos)


def _pixels_of(archive: Archive, metadata: Metadata, name: str) -> np.ndarray:
    image = open_image(archive, name, metadata.decoded_side)
    return resize(image, metadata.image_size, metadata.resize)


def classes_of_source(folder: Path, archive: Archive) -> list[str]:
    """Return the classes that folders, metadata.csv or `clean.labels` provide, or [].

    Raises InputError for the same reasons as `clean`.
    """
    names = members(archive)
    rows = read_metadata_csv(archive, names)
    params = clean_params(folder)
    return find_layout(names, rows, params.labels, archive.filename, params.kind).classes


def cells_of(folder: Path, given: Mapping[str, str]) -> pd.DataFrame:
    """Return the path, pixels_sha256 and `cell` of all images, with several labels as in a split.

    `given` are the cells in labels.csv, keyed by pixels_sha256 or path. `label` is the cell of the
    source. Raises InputError.
    """
    images = read_table(folder / paths.IMAGES_CSV, IMAGES)[["path", "pixels_sha256", "label"]]
    not_asked = clean_params(folder).not_asked
    cells = [
        given.get(pixels) or given.get(path) or source
        for path, pixels, source in images.itertuples(index=False)
    ]
    texts = pd.Series(cells, images.index, "str")
    return images.assign(cell=completed(texts, images, SEVERAL_LABELS, not_asked))


def clean_params(folder: Path) -> Clean:
    """Return the section `clean` of a project's params. Raises InputError."""
    return Clean.load(path=folder / paths.PARAMS)


def first_views(folder: Path, split: str, pixels_sha256: pd.Series) -> np.ndarray:
    """Return the stored features of these images' first views, float32 `(images, features)`."""
    stored = folder / paths.FEATURES / split
    features = open_features(stored, kinds_of(has_blocks=False), pixels_sha256)
    return view_of(features, 0, np.arange(len(pixels_sha256))).astype(np.float32)
