"""Assign images to training, validation or test by a hash of their content."""

import hashlib

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pawprint.core.errors import InputError
from pawprint.dataset.near_duplicates import near_duplicates, nearest

SPLITS = ("train", "validation", "test")


def split(
    images: pd.DataFrame,
    *,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
    near_duplicate_distance: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the split of each image, and the near-duplicates.

    `images` has the columns of `tables.IMAGES`; the tables returned have those of `tables.SPLIT`
    and `tables.NEAR_DUPLICATES`, sorted by path and by group and path.

    An archive with a validation folder keeps its split, and `test_fraction` of its validation
    images become the test split. Otherwise, also with only a train folder, `test_fraction` of all
    images become the test split and `validation_fraction` the validation split. The hash of an
    image decides: other images can be added or removed, and it stays in its split. A fraction of n
    images is met within 4 * sqrt(fraction * (1 - fraction) / n), as with any random draw.

    Images whose hashes differ in at most `near_duplicate_distance` bits form a group, which is in
    one split: training, if the archive keeps its split and has one of its images there, or else the
    split of the image with the smallest hash. The column `moved` tells whether an image
    would be in another split without its group.

    Raises InputError if only some images are in a folder train or validation, or a split has no
    image of a class.
    """
    keeps_archive_split = _keeps_archive_split(images)
    images = images.reset_index(drop=True)
    pairs = near_duplicates(images["perceptual_hash"], near_duplicate_distance)
    links = coo_array(
        (np.ones(len(pairs)), (pairs["first"], pairs["second"])), shape=(len(images), len(images))
    )
    group = connected_components(links, directed=False)[1]

    def assign(draw: pd.Series, in_train: pd.Series) -> np.ndarray:
        end_of_validation = np.inf if keeps_archive_split else test_fraction + validation_fraction
        conditions = [in_train, draw < test_fraction, draw < end_of_validation]
        return np.select(conditions, ["train", "test", "validation"], "train")

    draw = images["perceptual_hash"].map(lambda content: _uniform(seed, content)).astype(float)
    in_train = keeps_archive_split & (images["archive_split"] == "train")
    alone = assign(draw, in_train)
    images["split"] = assign(
        draw.groupby(group).transform("min"), in_train.groupby(group).transform("any")
    )
    _require_all(images)
    images["moved"] = images["split"] != alone
    images["group"] = images["path"].groupby(group).transform("first")
    closest = nearest(pairs)
    listed = images.loc[closest["image"]].assign(
        nearest=images["path"].loc[closest["nearest"]].array, distance=closest["distance"].array
    )
    return images.sort_values("path"), listed.sort_values(["group", "path"])


def _keeps_archive_split(images: pd.DataFrame) -> bool:
    in_archive = set(images["archive_split"])
    if "" in in_archive and len(in_archive) > 1:
        path = images["path"][images["archive_split"] == ""].iloc[0]
        raise InputError(
            "split: expected all images of the archive below a folder train or validation, or "
            f"none. Received: {path}, which is below neither, and others that are."
        )
    if in_archive == {"validation"}:
        raise InputError(
            "split: expected a folder train beside validation in the archive. Received: only "
            "validation. Add it, or rename validation to let the split stage divide it."
        )
    return "validation" in in_archive


def _require_all(rows: pd.DataFrame) -> None:
    for label, splits in rows.groupby("label")["split"]:
        for name in SPLITS:
            if name not in set(splits):
                raise InputError(
                    f"split: expected at least one {label} for the {name} split. Received: none "
                    f"of {len(splits)} images. Add images, or change split in params.yaml."
                )


def _uniform(seed: int, content: str) -> float:
    """A number in [0, 1) that is the same on every platform and Python version."""
    digest = hashlib.sha256(f"{seed}:{content}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
