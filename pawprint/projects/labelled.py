"""Find the labelled images of a project's last run and check if new images look like them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from pawprint import paths
from pawprint.columns import IMAGES, SPLIT
from pawprint.dataset.near_duplicates import near_duplicates
from pawprint.params.data import Split
from pawprint.tables import read_table

DISTANCE = 8  # default for near-duplicates if there is no params.yaml


class LabelledImages(NamedTuple):
    """The images of the last run: the tables IMAGES and SPLIT, which are empty without a run.

    `folder` is the project's folder, `distance` is the maximum distance between the hashes of
    near-duplicates, and `missing` is the first missing file, if there is one.
    """

    folder: Path
    images: pd.DataFrame
    split: pd.DataFrame
    distance: int
    missing: Path | None


def read_labelled(folder: Path) -> LabelledImages:
    """Return the images in a project's last run."""
    params = folder / paths.PARAMS
    distance = Split.load(path=params).near_duplicate_distance if params.exists() else DISTANCE
    archives = folder / paths.RAW_ARCHIVES
    tables = {folder / paths.IMAGES_CSV: IMAGES, folder / paths.SPLIT_CSV: SPLIT}
    missing = [path for path in (*tables, archives) if not path.exists()]
    if tables.keys() & set(missing):
        images, split = (pd.DataFrame(columns=list(columns)) for columns in tables.values())
    else:
        images, split = (read_table(path, columns) for path, columns in tables.items())
    return LabelledImages(folder, images, split, distance, next(iter(missing), None))


def is_near_training(images: pd.DataFrame, last_run: LabelledImages) -> pd.Series:
    """Return whether each image looks like a training image and is not a test image, as bool.

    The images must have `pixels_sha256` and the perceptual `hash`.
    """
    split = last_run.split
    if split.empty or images.empty:
        return pd.Series(False, images.index)
    hash_of = last_run.images.set_index("path")["perceptual_hash"]
    training = split.loc[split["split"] == "train", "path"].map(hash_of).dropna()
    new = images["hash"].drop_duplicates()
    is_near, _ = compare_hashes(training, new, last_run.distance)
    is_test = images["pixels_sha256"].isin(split.loc[split["split"] == "test", "pixels_sha256"])
    return images["hash"].isin(new[is_near]) & ~is_test


def compare_hashes(known: pd.Series, new: pd.Series, distance: int) -> tuple[np.ndarray, csr_array]:
    """Return whether each new hash is near a known hash, `(new,)`, and near another, `(new, new)`.

    Both results are bool. The new hashes must be distinct.
    """
    near = near_duplicates(pd.concat([known, new]), distance)
    pairs = near[["first", "second"]].to_numpy() - len(known)
    is_near = np.isin(np.arange(len(new)), pairs[pairs[:, 0] < 0, 1])
    pairs = pairs[pairs[:, 0] >= 0]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return is_near, csr_array((np.ones(len(both), bool), both.T), (len(new), len(new)))
