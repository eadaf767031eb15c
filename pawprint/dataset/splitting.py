"""Assign images to training, validation or test by a hash of their content."""

import hashlib

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pawprint.core.errors import InputError
from pawprint.core.tables import SPLITS
from pawprint.dataset.near_duplicates import near_duplicates, nearest


def split(
    images: pd.DataFrame,
    *,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
    near_duplicate_distance: int,
    use_archive_split: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the split of each image, and the near-duplicates.

    `images` has the columns of `tables.IMAGES`; the tables returned have those of `tables.SPLIT`
    and `tables.NEAR_DUPLICATES`, sorted by path and by group and path.

    With `use_archive_split`, the archive's own test split stays as it is, and so do training and
    validation if it has a validation split. If it has validation and no test, `test_fraction` of
    its validation images become the test split. If it has test and no validation,
    `validation_fraction` of its training images become the validation split. In all other cases
    `test_fraction` of all images become the test split and `validation_fraction` the validation
    split. The hash of an image decides: other images can be added or removed, and it stays in
    its split. A fraction of n images is met within 4 * sqrt(fraction * (1 - fraction) / n), as with
    any random draw.

    Images whose hashes differ in at most `near_duplicate_distance` bits form a group, which is in
    one split: training, if the archive keeps its split and has one of its images there, or else the
    split of the image with the smallest hash. Images of the archive's test split stay there, and
    their hashes do not count for the others of their group. The column `moved` tells whether an
    image would be in another split without its group.

    Raises InputError if the archive has a split for only some images, or none for training, and if
    a split has no image of a class.
    """
    images = images.reset_index(drop=True)
    given = images["archive_split"] if use_archive_split else pd.Series("", images.index)
    _require_whole(given, images["path"])
    keeps_validation, keeps_test = (given == "validation").any(), (given == "test").any()
    pairs = near_duplicates(images["perceptual_hash"], near_duplicate_distance)
    links = coo_array(
        (np.ones(len(pairs)), (pairs["first"], pairs["second"])), shape=(len(images), len(images))
    )
    group = connected_components(links, directed=False)[1]

    end_of_test = 0 if keeps_test else test_fraction
    end_of_validation = np.inf if keeps_validation else end_of_test + validation_fraction

    def assign(draw: pd.Series, in_train: pd.Series) -> np.ndarray:
        conditions = [given == "test", in_train, draw < end_of_test, draw < end_of_validation]
        return np.select(conditions, ["test", "train", "test", "validation"], "train")

    draw = images["perceptual_hash"].map(lambda content: _uniform(seed, content)).astype(float)
    in_train = keeps_validation & (given == "train")
    alone = assign(draw, in_train)
    draws_of_others = draw.where(given != "test")
    images["split"] = assign(
        draws_of_others.groupby(group).transform("min"), in_train.groupby(group).transform("any")
    )
    _require_all(images)
    images["moved"] = images["split"] != alone
    images["group"] = images["path"].groupby(group).transform("first")
    closest = nearest(pairs)
    listed = images.loc[closest["image"]].assign(
        nearest=images["path"].loc[closest["nearest"]].array, distance=closest["distance"].array
    )
    return images.sort_values("path"), listed.sort_values(["group", "path"])


def _require_whole(given: pd.Series, path: pd.Series) -> None:
    found = set(given)
    if "" in found and len(found) > 1:
        raise InputError(
            "split: expected a split in the archive for every image, or for none. Received: "
            f"{path[given == ''].iloc[0]}, which is in no folder train, validation or test, and "
            "others that are. Move it, or set split.use_archive_split to false."
        )
    if found and not found & {"", "train"}:
        raise InputError(
            "split: expected a folder train in the archive beside its other splits. Received: "
            f"only {' and '.join(sorted(found))}. Add it, or set split.use_archive_split to false."
        )


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
