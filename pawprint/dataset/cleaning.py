"""Decode every image once; list the usable ones, and the reason for each rejected one."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image, ImageStat
from tqdm import tqdm

from pawprint.classes import NEITHER, UNLABELLED, are_imbalanced
from pawprint.dataset.folders import SHOWN, Place, lies_unlabelled
from pawprint.dataset.layouts import Row, is_metadata
from pawprint.dataset.user_tables import Correction
from pawprint.engine.mapping import map_in_threads, map_items
from pawprint.errors import InputError, printable
from pawprint.images.archive import (
    ACCEPTED,
    Archive,
    UnusableImageError,
    count_suffixes,
    is_image_name,
    members,
    read_member,
    require_safe,
)
from pawprint.images.decoder import DecodedImage, decoding, pixels_sha256
from pawprint.images.formats import scale_for
from pawprint.project import DECODED, IMAGES, METADATA, REJECTED

# TensorFlow Datasets drops a file of PetImages without these letters in `peek(10)`:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
# The file is a member that zipfile opened, whose `peek` returns up to 512 bytes:
# https://github.com/python/cpython/blob/3.11/Lib/zipfile.py
JFIF, JFIF_WITHIN = b"JFIF", 512
HASH_SIDE = 16  # squared, its bits
HASHED = 512  # pixels of each side that the hash of a large image is of, at least
PROPERTIES = DecodedImage._fields[1:4]
NOT_LISTED = "no row in metadata.csv"
NOT_NAMED = "in no folder of a class"
NO_CLASS = "its label in metadata.csv is no class"
ASSIGNED = ["path", "label", "archive_split", "group"]
NONE_DECODED = pd.DataFrame(columns=list(DECODED)).astype(DECODED)
MAX_IMBALANCE = 5  # times as many images in the largest class as in the smallest


def clean(
    archive: Archive,
    classes: Collection[str],
    places: Mapping[str, Place],
    rule: str,
    corrections: list[Correction],
    rows: dict[str, Row] | None = None,
    *,
    code: str = "",
    decoded: pd.DataFrame = NONE_DECODED,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the usable images, the rejected files, and the paths of corrections not applied.

    The tables have the columns of IMAGES and REJECTED; usable images also those of DECODED. Those
    in a folder that is named for images without a label have the label "", and so have all without
    a correction if there are no classes. A file that has a row in `decoded`, a table DECODED, is
    not decoded. `code` identifies the code that decodes.

    `places` has the label and the split of each file, as `find_places` returns them; `classes` are
    the labels that need a usable image. `rule` is "decodes" or "jfif", as in `clean.rule`. `rows`,
    of metadata.csv, give the groups.

    A correction holds for all images with its `pixels_sha256`, whatever their paths. One without
    `pixels_sha256` holds for the image that has its path, unless there is one with the hash of that
    image, and for all others with the same pixels. One whose `pixels_sha256` no image has is not
    applied: its photo was replaced or removed.

    Each file but metadata.csv is in exactly one of the tables, which are sorted by path. Files that
    are not named like images are rejected, unless `rows` or a correction lists them. Of images
    with the same pixels one is kept, or none if their labels differ: if possible one with a label,
    of the archive's test split, and the one with the shortest path. Files with the same name are
    all rejected. A kept path is the name of the member, a rejected one is that name made printable.
    Raises InputError if a class has no usable image.
    """
    names = [name for name in members(archive) if rows is None or not is_metadata(name)]
    corrected_paths = {correction.path for correction in corrections}
    set_aside = {name for name in names if not classes or lies_unlabelled(name)}
    set_aside = set(filter(is_image_name, set_aside.difference(rows or ())))
    assign = partial(_assign, rows, places, set_aside | corrected_paths, Counter(names))

    def assign_safe(name: str) -> dict:
        require_safe(archive, name)
        return assign(name)

    assigned = [_row_or_rejection(assign_safe, name) for name in names]
    labelled = {row["path"]: row for row in assigned if "reason" not in row}
    origin = repr((code, rule, archive.bits)).encode()
    reused = _find_known_rows(archive, origin, decoded, labelled)
    paths = set(reused["path"])
    new = [name for name in labelled if name not in paths]
    results = map_items(partial(_row_or_rejection, partial(_examine, archive, rule, origin)), new)
    examined = list(tqdm(results, "clean", len(new), unit="image", disable=None))
    unusable = [row for row in [*assigned, *examined] if "reason" in row]
    complete = [row for row in examined if "reason" not in row]
    content = pd.concat([reused, pd.DataFrame(complete, columns=["path", *DECODED])])
    images = pd.DataFrame(labelled.values(), columns=ASSIGNED).merge(content, on="path")
    images = images.astype(IMAGES | DECODED)
    images, without_label, not_applied = _apply_corrections(images, corrections, set_aside)
    usable, duplicates = without_duplicates(images)
    unusable = pd.DataFrame(unusable, columns=list(REJECTED))
    rejected = pd.concat([unusable, without_label, duplicates])
    rejected = rejected.sort_values("path", kind="stable")
    _require_usable(classes, usable, rejected, archive.filename)
    return usable, rejected, not_applied


def _assign(
    rows: dict[str, Row] | None,
    places: Mapping[str, Place],
    may_lack: set[str],
    times: Counter[str],
    name: str,
) -> dict:
    """The path, label, archive_split and group of a file. Raises UnusableImageError.

    `times` has how many files have a name. The files that `may_lack` a label, as a correction gives
    it or they are set aside for one, have the label "".
    """
    is_listed = name in may_lack or name in (rows or ())
    if not is_listed and not is_image_name(name):
        detail = "hidden, in a folder of a system, or without the suffix of an image"
        raise UnusableImageError("other_file", detail)
    if times[name] > 1:
        raise UnusableImageError("duplicate_name", f"{times[name]} files of this name")
    label, archive_split = places[name]
    if not label and name not in may_lack:
        detail = NOT_NAMED
        if rows is not None:
            detail = NO_CLASS if name in rows else NOT_LISTED
        raise UnusableImageError(UNLABELLED, detail)
    group = rows[name].group if rows and name in rows else ""
    return {"path": name, "label": label, "archive_split": archive_split, "group": group}


def _find_known_rows(
    archive: Archive, origin: bytes, decoded: pd.DataFrame, names: Collection[str]
) -> pd.DataFrame:
    """The rows of `decoded` that files of these names have by their bytes, with their `path`."""
    row_of = dict(zip(decoded["key"], range(len(decoded))))
    read = names if row_of else ()
    keys = map_in_threads(partial(_key_of_member, archive, origin), read)
    keys = tqdm(keys, "known files", len(read), unit="file", disable=None)
    positions = {name: row_of[key] for name, key in zip(names, keys) if key in row_of}
    return decoded.iloc[list(positions.values())].assign(path=list(positions))


def _key_of_member(archive: Archive, origin: bytes, name: str) -> str:
    """The key of a file, or "" if it cannot be read."""
    try:
        return _key(origin, archive.md5_of(name) or read_member(archive, name))
    except UnusableImageError:
        return ""


def _key(origin: bytes, data: bytes) -> str:
    """As in DECODED: of what decodes, and the bytes of a file or their listed MD5."""
    digest = hashlib.sha256(origin)
    digest.update(data)
    return digest.hexdigest()


def _examine(archive: Archive, rule: str, origin: bytes, name: str) -> dict:
    """The columns of a file's row that its content gives. Raises UnusableImageError."""
    data = read_member(archive, name)
    with decoding(data, archive.bits) as (image, *properties, _):
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise UnusableImageError("no_jfif_header", "clean.rule is jfif")
        grey = _grey_square(image)  # whose hash is that of the image
        return {
            "path": name,
            "key": _key(origin, archive.md5_of(name) or data),
            "width": image.width,
            "height": image.height,
            "pixels_sha256": pixels_sha256(image),
            "perceptual_hash": perceptual_hash(grey),
            "brightness": round(ImageStat.Stat(grey).mean[0], 1),
            **dict(zip(PROPERTIES, properties)),
        }


def perceptual_hash(image: Image.Image) -> str:
    """256 bits, row by row, of which of the lowest frequencies are above their median.

    In hexadecimal. It is what imagehash 4.3.2 gives as `phash(image, hash_size=16)` of the square:
    docs/decisions/10.
    """
    from scipy.fft import dctn  # takes long, and most runs of `clean` hash few images

    lowest = dctn(np.asarray(_grey_square(image)))[:HASH_SIDE, :HASH_SIDE]
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def _grey_square(image: Image.Image) -> Image.Image:
    """The image in grey, with four times the sides of its hash."""
    side = 4 * HASH_SIDE, 4 * HASH_SIDE
    reduced = image.reduce(scale_for(image.size, HASHED))
    return reduced.convert("L").resize(side, Image.Resampling.LANCZOS)


def _row_or_rejection(function: Callable[[str], dict], name: str) -> dict:
    """The row that the function gives for a file, or a row of REJECTED."""
    try:
        return function(name)
    except UnusableImageError as unusable:
        detail = printable(unusable.detail)
        return {"path": printable(name), "reason": unusable.reason, "detail": detail}


def _apply_corrections(
    images: pd.DataFrame, corrections: list[Correction], set_aside: set[str]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """As `clean`: images with their right labels, rejected ones, and corrections not applied.

    An image has the label "" if only a correction, which may be for other pixels, gives it one. The
    files `set_aside` may keep it.
    """
    pixels = dict(zip(images["path"], images["pixels_sha256"]))
    labels = {correction.image: correction.label for correction in corrections}
    of_copies = {pixels[name]: label for name, label in labels.items() if name in pixels}
    right = [
        labels.get(row.pixels_sha256)
        or labels.get(row.path)
        or of_copies.get(row.pixels_sha256, row.label)
        for row in images.itertuples()
    ]
    images = images.assign(label=pd.Series(right, images.index, "str"))
    reasons = {
        NEITHER: ("label_none", f"its label in labels.csv is {NEITHER}"),
        "": (UNLABELLED, "its correction is for other pixels"),
    }
    is_set_aside = (images["label"] == "") & images["path"].isin(set_aside)
    has_label = ~images["label"].isin(reasons) | is_set_aside
    without_label = pd.DataFrame(
        [(printable(row.path), *reasons[row.label]) for row in images[~has_label].itertuples()],
        columns=list(REJECTED),
    )
    hashes = {"", *pixels.values()}
    not_applied = [row.path for row in corrections if row.pixels_sha256 not in hashes]
    return images[has_label], without_label, not_applied


def without_duplicates(images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The images without exact duplicates, and a row of REJECTED for each image removed.

    `images` is sorted by path, and has the columns `path`, `label`, `archive_split` and
    `pixels_sha256`.
    """
    paths = images["path"]
    # Copies have longer names: IMG_3.jpg, IMG_3 (1).jpg.
    keys = paths.str.len(), images["archive_split"] != "test", images["label"] == ""
    images = images.iloc[np.lexsort(keys)]  # by the last key first
    images = images.assign(known=images["label"].where(images["label"] != ""))
    copies = images.groupby("pixels_sha256", sort=False)
    is_contradictory = copies["known"].transform("nunique") > 1
    is_repeated = images.duplicated("pixels_sha256")
    is_rejected = is_repeated | is_contradictory
    columns = ["path", "label"]
    # The image that a row is a duplicate of: the first one, and for that one the second.
    twin = copies[columns].transform("first").where(is_repeated, copies[columns].shift(-1), axis=0)
    labels = images["label"].replace("", UNLABELLED)
    twin_labels = twin["label"].replace("", UNLABELLED)
    detail = labels + " with the pixels of " + twin["path"] + ", " + twin_labels
    rejected = pd.DataFrame(
        {
            "path": images["path"][is_rejected].map(printable),
            "reason": np.where(is_contradictory, "contradictory", "duplicate")[is_rejected],
            "detail": detail[is_rejected].map(printable),
        }
    )
    return images[~is_rejected].drop(columns="known").sort_values("path"), rejected


def _require_usable(
    classes: Iterable[str], usable: pd.DataFrame, rejected: pd.DataFrame, archive: str
) -> None:
    """Raise InputError for a class without a usable image."""
    for label in classes:
        if not (usable["label"] == label).any():
            advice = describe_pointers(rejected) or f"See clean.labels. {ACCEPTED}"
            raise InputError(
                f"{archive}: expected a usable image of class {label}. Received: "
                f"{describe_files(usable, rejected)}. {advice}"
            )


def describe_imbalance(images: pd.DataFrame) -> str:
    """Such as "300 images of dog, 40 of cat; …" if that is above MAX_IMBALANCE, or else "".

    It ends with what `class_weight` has to do with it. `images` has a column `label`.
    """
    of_class = images["label"].value_counts().sort_index()
    largest, smallest = of_class.idxmax(), of_class.idxmin()
    if of_class.max() <= MAX_IMBALANCE * of_class.min():
        return ""
    weights = "auto weights" if are_imbalanced(of_class) else "balanced would weight"
    return (
        f"{of_class.max():,} images of {largest}, {of_class.min():,} of {smallest}; class_weight: "
        f"{weights} each class the same"
    )


def describe_bits(images: pd.DataFrame, bits: int | None) -> str:
    """What `clean.bits` should be for the grey images of more than 8 bits, or "" if it is right.

    `images` has the columns PROPERTIES; it was cleaned with `bits`.
    """
    deep = images[images["file_bits"] > 8]
    used, held = deep["used_bits"].max(), deep["file_bits"].max()
    if bits is None and used < held:
        return (
            f"{len(deep):,} grey images of {held} bits use {used}; clean.bits: {used} makes "
            f"{2**used - 1:,} white, for these and for new images"
        )
    if bits is not None and used > bits:
        return (
            f"clean.bits: {bits} makes values above {2**bits - 1:,} white in "
            f"{(deep['used_bits'] > bits).sum():,} grey images, of which some use {used} bits"
        )
    return ""


def describe_pages(images: pd.DataFrame) -> str:
    """How many files have further pages or frames, or "" if none has.

    `images` has the column `has_more`.
    """
    files = images["has_more"].sum()
    if not files:
        return ""
    return f"{files:,} files have several pages or frames; the first of each is used"


def describe_files(usable: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Such as "kept 4 of 7 images (2 truncated, 1 empty file); 3 other files (2 .txt, 1 .db)".

    `usable` has a row for each usable image, those of the label UNKNOWN too.
    `rejected` is a table REJECTED.
    """
    is_other = rejected["reason"] == "other_file"
    suffixes = count_suffixes(rejected["path"][is_other].tolist())
    reasons = rejected["reason"][~is_other].str.replace("_", " ").value_counts().items()
    counts = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    text = f"kept {len(usable):,} of {len(usable) + len(rejected) - is_other.sum():,} images"
    text += f" ({counts})" if counts else ""
    return f"{text}; {is_other.sum():,} other files ({suffixes})" if is_other.any() else text


def describe_pointers(rejected: pd.DataFrame) -> str:
    """Such as "20 images are not here: a pointer of Git LFS: run …", or "" without a pointer.

    The table is REJECTED.
    """
    details = rejected["detail"][rejected["reason"] == "no_content"]
    if details.empty:
        return ""
    return f"{len(details):,} images are not here: {', '.join(details.unique())}"


def describe_unlabelled(rejected: pd.DataFrame, detail: str) -> str:
    """Such as "birds/ (50)": folders of images that were rejected as unlabelled, for this detail.

    The largest first, at most SHOWN of them. The table is REJECTED.
    """
    is_meant = (rejected["reason"] == UNLABELLED) & (rejected["detail"] == detail)
    folders = [f"{PurePosixPath(path).parent}/" for path in rejected.loc[is_meant, "path"]]
    number = Counter(folders).most_common(SHOWN)
    return ", ".join(f"{printable(folder)} ({images:,})" for folder, images in number)


def further_columns(rows: dict[str, Row] | None, paths: Iterable[str]) -> pd.DataFrame:
    """The table METADATA of these images."""
    cells = [
        (path, *cell)
        for path in paths
        for cell in (rows[path].further.items() if rows and path in rows else ())
    ]
    return pd.DataFrame(cells, columns=list(METADATA))
