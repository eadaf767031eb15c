"""Decode every image once; list the usable ones, and the reason for each rejected one."""

import hashlib
import zipfile
from collections import Counter
from pathlib import PurePosixPath

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from pawprint.core.errors import InputError, printable
from pawprint.core.tables import IMAGES, REJECTED
from pawprint.dataset.corrections import NEITHER
from pawprint.images.archive import members, read_member
from pawprint.images.decoder import SUFFIXES, decode
from pawprint.images.threads import map_in_threads
from pawprint.images.unusable import REASONS, UnusableImageError

ARCHIVE_SPLITS = ("train", "validation")
# TensorFlow Datasets drops a file of PetImages without these letters in `peek(10)`:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
# The file is a member that zipfile opened, whose `peek` returns up to 512 bytes:
# https://github.com/python/cpython/blob/3.11/Lib/zipfile.py
JFIF, JFIF_WITHIN = b"JFIF", 512
FOLDERS_SHOWN = 20  # in an error message


def clean(
    archive: zipfile.ZipFile,
    labels: dict[str, list[str]],
    rule: str,
    corrections: dict[str, str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the usable images and the rejected files, with the columns of IMAGES and REJECTED.

    `labels` gives the folders of each class; their case does not matter. `rule` is "decodes" or
    "jfif", as in `clean.rule`. `corrections` gives the right label, or NEITHER, of a member.

    A file belongs to the class of the innermost folder above it that `labels` names. Of the other
    folders above it, the innermost one called train or validation is its split in the archive.

    Each file of the archive is in exactly one of the tables, which are sorted by path. Of images
    with the same pixels the first is kept, if possible one with a visible name and the suffix of an
    image, or none if their labels differ. Files with the same name are all rejected. A kept path is
    the name of the member, a rejected one is that name made printable. Raises InputError if a class
    has no folder in the archive, or no usable image.
    """
    label_of_folder = {
        folder.lower(): label for label, folders in labels.items() for folder in folders
    }
    names = members(archive)
    times = Counter(names)
    _require_folders(labels, names, archive.filename)

    def examine(name: str) -> dict:
        if times[name] > 1:
            raise UnusableImageError("duplicate_name", f"{times[name]} files of this name")
        folders = [part.lower() for part in reversed(PurePosixPath(name).parts[:-1])]
        folder = next((folder for folder in folders if folder in label_of_folder), "")
        if folder:
            folders.remove(folder)  # a class may be called train
        label = corrections.get(name) or label_of_folder.get(folder)
        if label == NEITHER:
            raise UnusableImageError("neither_class", f"the corrected label is {NEITHER}")
        if not label:
            raise UnusableImageError("no_class", "in no folder that clean.labels names")
        data = read_member(archive, name)
        image = decode(data)
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise UnusableImageError("no_jfif_header", "clean.rule is jfif")
        return {
            "path": name,
            "label": label,
            "archive_split": next((name for name in folders if name in ARCHIVE_SPLITS), ""),
            "width": image.width,
            "height": image.height,
            "pixels_sha256": pixels_sha256(image),
            # 64 bits of the lowest frequencies: docs/decisions/10
            "perceptual_hash": str(imagehash.phash(image)),
        }

    def examine_or_reject(name: str) -> dict:
        try:
            return examine(name)
        except UnusableImageError as unusable:
            detail = printable(unusable.detail)
            return {"path": printable(name), "reason": unusable.reason, "detail": detail}

    examined = map_in_threads(examine_or_reject, names)
    progress = tqdm(examined, total=len(names), desc="clean", unit="image", disable=None)
    usable, unusable = [], []
    for row in progress:
        (unusable if "reason" in row else usable).append(row)
    kept, duplicates = _without_duplicates(pd.DataFrame(usable, columns=list(IMAGES)))
    rejected = pd.concat([pd.DataFrame(unusable, columns=list(REJECTED)), duplicates])
    rejected = rejected.sort_values("path", kind="stable")
    for label in labels:
        if not (kept["label"] == label).any():
            raise InputError(
                f"{archive.filename}: expected a usable image of class {label}. Received: "
                f"{describe(kept, rejected)}. See clean.labels."
            )
    return kept, rejected


def describe(kept: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """A summary such as "kept 4 of 7 files (1 empty, 2 truncated)"."""
    found = rejected["reason"].value_counts()
    reasons = [f"{found[name]} {name.replace('_', ' ')}" for name in REASONS if name in found]
    return f"kept {len(kept):,} of {len(kept) + len(rejected):,} files" + (
        f" ({', '.join(reasons)})" if reasons else ""
    )


def pixels_sha256(image: Image.Image) -> str:
    """The same for images that decode to the same RGB pixels, whatever their files."""
    return hashlib.sha256(f"{image.width}x{image.height}:".encode() + image.tobytes()).hexdigest()


def _without_duplicates(images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The images without exact duplicates, and a row of REJECTED for each image removed.

    `images` is sorted by path.
    """
    images = images.sort_values("path", key=lambda paths: paths.map(_is_unusual), kind="stable")
    same = images.groupby("pixels_sha256", sort=False)
    is_contradictory = same["label"].transform("nunique") > 1
    is_repeated = images.duplicated("pixels_sha256")
    is_rejected = is_repeated | is_contradictory
    columns = ["path", "label"]
    # The image that a row is a duplicate of: the first one, and for that one the second.
    other = same[columns].transform("first").where(is_repeated, same[columns].shift(-1), axis=0)
    detail = images["label"] + " with the pixels of " + other["path"] + ", " + other["label"]
    rejected = pd.DataFrame(
        {
            "path": images["path"][is_rejected].map(printable),
            "reason": np.where(is_contradictory, "contradictory", "duplicate")[is_rejected],
            "detail": detail[is_rejected].map(printable),
        }
    )
    return images[~is_rejected].sort_values("path"), rejected


def _is_unusual(name: str) -> bool:
    """Whether the name is hidden or has no suffix of an image, such as Thumbs.db."""
    path = PurePosixPath(name)
    is_hidden = any(part.startswith(".") for part in path.parts)
    return is_hidden or path.suffix.lower() not in SUFFIXES


def _require_folders(labels: dict[str, list[str]], names: list[str], archive: str) -> None:
    found = {part for name in names for part in PurePosixPath(name).parts[:-1]}
    for label, folders in labels.items():
        if not {folder.lower() for folder in folders} & {part.lower() for part in found}:
            raise InputError(
                f"{archive}: expected a folder named {' or '.join(folders)} "
                f"(clean.labels.{label}). Received folders: {_some(sorted(found)) or 'none'}."
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:FOLDERS_SHOWN])
    return shown + (f" and {len(names) - FOLDERS_SHOWN:,} more" if names[FOLDERS_SHOWN:] else "")
