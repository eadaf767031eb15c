"""Assign every usable image to training, validation or test, by a hash of what it shows.

Images that look alike form a group, and a group is in one split. Reads data/clean/images.csv.
Params: `split`. Writes data/split/images.csv, data/split/near_duplicates.csv and
metrics/split.json. Run: `python -m stages.split`
"""

import hashlib
from collections import Counter, defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.shared import paths
from stages.shared.errors import InputError
from stages.shared.params import Split, load_params
from stages.shared.records import read_csv, write_csv, write_json

COLUMNS = ["path", "label", "split"]
NEAR_DUPLICATE_COLUMNS = [
    "group", "path", "label", "archive_split", "split", "nearest", "distance",
]  # fmt: skip
SPLITS = ("train", "validation", "test")
BLOCK = 1024  # rows of the matrix of distances at a time: 200 MB for 25,000 images


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
        for index, (distance, other) in _nearest(pairs).items()
    ]
    listed.sort(key=lambda row: (row["group"], row["path"]))
    moved = sum(
        assign([image]) != split_of[group]
        for image, group in zip(images, groups)
        if len(members[group]) > 1
    )
    return sorted(rows, key=lambda row: row["path"]), listed, moved


def near_duplicates(hashes: list[str], params: Split) -> np.ndarray:
    """int64 `(pairs, 3)`: two positions and the number of bits in which their hashes differ.

    `hashes` are of 64 bits, in hexadecimal. Pairs are those of at most
    `split.near_duplicate_distance`, the first position below the second.
    """
    values = np.array([int(value, 16) for value in hashes], np.uint64)
    found = [np.empty((0, 3), np.int64)]
    for start in range(0, len(values), BLOCK):
        rows = values[start : start + BLOCK, None]
        distance = np.bitwise_count(rows ^ values[None, start:])
        close = np.argwhere(np.triu(distance <= params.near_duplicate_distance, k=1))
        found.append(np.column_stack([close + start, distance[tuple(close.T)]]))
    return np.concatenate(found)


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


def _nearest(pairs: np.ndarray) -> dict[int, tuple[int, int]]:
    """For each position in a pair the distance of its nearest and that one's position."""
    nearest: dict[int, tuple[int, int]] = {}
    for first, second, distance in pairs.tolist():
        for one, other in ((first, second), (second, first)):
            nearest[one] = min(nearest.get(one, (distance, other)), (distance, other))
    return nearest


def _uniform(seed: int, content: str) -> float:
    """In [0, 1): the same for the same content on every platform and Python version."""
    digest = hashlib.sha256(f"{seed}:{content}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def main() -> None:
    params = load_params()
    rows, listed, moved = split(read_csv(paths.CLEAN_IMAGES), params.split)
    counts = count(rows, listed, moved)
    write_csv(paths.SPLIT_IMAGES, COLUMNS, rows)
    write_csv(paths.NEAR_DUPLICATES, NEAR_DUPLICATE_COLUMNS, listed)
    write_json(paths.SPLIT_METRICS, counts)
    print(
        "split: "
        + ", ".join(f"{counts[name]['total']:,} {name}" for name in SPLITS)
        + f"; {len(listed):,} near-duplicates"
    )


if __name__ == "__main__":
    main()
