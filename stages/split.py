"""Assign every usable image to training, validation or test, equally within each class.

Reads data/clean/images.csv. Params: `split`. Writes data/split/images.csv and
metrics/split.json. Run: `python -m stages.split`
"""

import hashlib
from collections import Counter

from stages.shared import paths
from stages.shared.errors import InputError
from stages.shared.params import Split, load_params
from stages.shared.records import read_csv, write_csv, write_json

COLUMNS = ["path", "label", "split"]
SPLITS = ("train", "validation", "test")


def split(images: list[dict], params: Split) -> list[dict]:
    """Rows of path, label and split, sorted by path.

    An archive with a validation folder keeps its split, and `split.test_fraction` of its
    validation images become the test split. An archive without one gives `test_fraction` of all
    images to test and `validation_fraction` to validation. Raises InputError if only a part of
    the archive is split, or a split has no image of a class.
    """
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
    keeps_archive_split = "validation" in in_archive
    rows = []
    for label in sorted({image["label"] for image in images}):
        of_label = _shuffled([image for image in images if image["label"] == label], params.seed)
        if keeps_archive_split:
            train = [image for image in of_label if image["archive_split"] == "train"]
            held_out = [image for image in of_label if image["archive_split"] == "validation"]
            tests = round(len(held_out) * params.test_fraction)
            validations = len(held_out) - tests
        else:
            train, held_out = [], of_label
            tests = round(len(of_label) * params.test_fraction)
            validations = round(len(of_label) * params.validation_fraction)
        assigned = {
            "test": held_out[:tests],
            "validation": held_out[tests : tests + validations],
            "train": train + held_out[tests + validations :],
        }
        for name in SPLITS:
            if not assigned[name]:
                raise InputError(
                    f"{paths.CLEAN_IMAGES}: expected at least one {label} for the {name} split. "
                    f"Received: none of {len(of_label)} images. Add images, or change split in "
                    "params.yaml."
                )
            rows += [
                {"path": image["path"], "label": label, "split": name} for image in assigned[name]
            ]
    return sorted(rows, key=lambda row: row["path"])


def count(rows: list[dict]) -> dict:
    """Images per split, in total and per label."""
    counts = Counter((row["split"], row["label"]) for row in rows)
    labels = sorted({row["label"] for row in rows})
    return {
        name: {
            "total": sum(counts[name, label] for label in labels),
            **{label: counts[name, label] for label in labels},
        }
        for name in SPLITS
    }


def _shuffled(images: list[dict], seed: int) -> list[dict]:
    """Ordered by a hash of seed and path: the same on every platform and Python version."""
    return sorted(
        images, key=lambda image: hashlib.sha256(f"{seed}:{image['path']}".encode()).digest()
    )


def main() -> None:
    params = load_params()
    rows = split(read_csv(paths.CLEAN_IMAGES), params.split)
    counts = count(rows)
    write_csv(paths.SPLIT_IMAGES, COLUMNS, rows)
    write_json(paths.SPLIT_METRICS, counts)
    print("split: " + ", ".join(f"{counts[name]['total']:,} {name}" for name in SPLITS))


if __name__ == "__main__":
    main()
