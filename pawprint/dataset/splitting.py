"""Assign images to training, validation or test by a hash of what they show."""

import hashlib
from collections import Counter, defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.params import Split
from pawprint.dataset.near_duplicates import near_duplicates, nearest

SPLITS = ("train", "validation", "test")


def split(images: list[dict], params: Split) -> tuple[list[dict], list[dict], int]:
    """Rows of the images, rows of near-duplicates, and how many of these their group moved.

    An archive with a validation folder keeps its split, and `split.test_fraction` of its
    validation images become the test split. An archive without one gives `test_fraction` of all
    images to test and `validation_fraction` to validation. Each image is assigned by a hash of
    its content, so others can be added or removed and it stays where it is; a share of n images
    is met within 4 * sqrt(fraction * (1 - fraction) / n), as of any random draw. A group of
    near-duplicates follows that of its hashes that is smallest, or, if an archive has it both in
    train and in validation, goes to training.

    Raises InputError if only a part of the archive is split, or a split has no image of a class.
    """
    keeps_archive_split = _keeps_archive_split(images)
    pairs = near_duplicates([image["perceptual_hash"] for image in images], params)
    links = coo_array((np.ones(len(pairs)), tuple(pairs[:, :2].T)), shape=(len(images),) * 2)
    groups = connected_components(links, directed=False)[1]
    members = defaultdict(list)
    for image, group in zip(images, groups):
        members[group].append(image)

    def assign(group: list[dict]) -> str:
        if any(image["archive_split"] == "train" for image in group):
            return "train"
        draw = min(_uniform(params.seed, image["perceptual_hash"]) for image in group)
        if draw < params.test_fraction:
            return "test"
        if keeps_archive_split or draw < params.test_fraction + params.validation_fraction:
            return "validation"
        return "train"

    split_of = {group: assign(images) for group, images in members.items()}
    rows = [
        {"path": image["path"], "label": image["label"], "split": split_of[group]}
        for image, group in zip(images, groups)
    ]
    _require_all(rows)
    listed = [
        {"group": members[groups[index]][0]["path"], **rows[index]}
        | {"archive_split": images[index]["archive_split"]}
        | {"nearest": images[other]["path"], "distance": distance}
        for index, (distance, other) in nearest(pairs).items()
    ]
    listed.sort(key=lambda row: (row["group"], row["path"]))
    moved = sum(
        assign([image]) != split_of[group]
        for image, group in zip(images, groups)
        if len(members[group]) > 1
    )
    return sorted(rows, key=lambda row: row["path"]), listed, moved


def count(rows: list[dict], listed: list[dict], moved: int) -> dict:
    """Images per split, in total and per label; near-duplicates, their groups and the moved."""
    counts = Counter((row["split"], row["label"]) for row in rows)
    labels = sorted({row["label"] for row in rows})
    return {
        name: {
            "total": sum(counts[name, label] for label in labels),
            **{label: counts[name, label] for label in labels},
        }
        for name in SPLITS
    } | {
        "near_duplicates": {
            "total": len(listed),
            "groups": len({row["group"] for row in listed}),
            "moved": moved,
        }
    }


def _keeps_archive_split(images: list[dict]) -> bool:
    in_archive = {image["archive_split"] for image in images}
    if "" in in_archive and len(in_archive) > 1:
        path = next(image["path"] for image in images if not image["archive_split"])
        raise InputError(
            f"{paths.CLEAN_IMAGES}: expected every image below a folder train or validation, or "
            f"none. Received: {path} among images that are."
        )
    if in_archive == {"validation"}:
        raise InputError(
            f"{paths.CLEAN_IMAGES}: expected a folder train beside validation. Received: only "
            "validation. Add it to the archive, or rename validation to let split divide it."
        )
    return "validation" in in_archive


def _require_all(rows: list[dict]) -> None:
    counts = Counter((row["split"], row["label"]) for row in rows)
    totals = Counter(row["label"] for row in rows)
    for label in sorted(totals):
        for name in SPLITS:
            if not counts[name, label]:
                raise InputError(
                    f"{paths.CLEAN_IMAGES}: expected at least one {label} for the {name} split. "
                    f"Received: none of {totals[label]} images. Add images, or change split in "
                    "params.yaml."
                )


def _uniform(seed: int, content: str) -> float:
    """In [0, 1): the same for the same content on every platform and Python version."""
    digest = hashlib.sha256(f"{seed}:{content}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
