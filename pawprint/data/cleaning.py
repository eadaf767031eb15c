"""Decode every image once, apply corrections, and list the usable and the rejected images.

Also describe these in lines for people.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.classes import NEITHER, UNLABELLED
from pawprint.base.columns import DECODED, IMAGES, REJECTED
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.threads import map_in_threads, map_items, track
from pawprint.given.archive import (
    Archive,
    UnusableImageError,
    mean_size,
    members,
    read_member,
    require_safe,
)
from pawprint.given.decoding.content import decode_row
from pawprint.given.folder_names import is_unlabelled, lies_unlabelled
from pawprint.given.folders import SHOWN, Layout
from pawprint.given.metadata_csv import is_metadata
from pawprint.given.names import ACCEPTED, advise_on_name, count_suffixes, is_image_name
from pawprint.given.reading import usable
from pawprint.given.user_tables import Correction

NOT_LISTED = "no row in metadata.csv"
NOT_NAMED = "not in a class folder"
NO_CLASS = "its label in metadata.csv is not a class"
OF_TEST = " with the pixels of the test image "  # in the detail of its copies for training
ASSIGNED = ["path", "label", "archive_split", "group"]
# In bytes. Two threads take as long as one for members of a zip of 22 KB, and twice as long for
# members of 2.6 KB, because they mostly wait for each other.
SMALL = 20_000
NONE_DECODED = pd.DataFrame(columns=list(DECODED)).astype(DECODED)


class Rejection(NamedTuple):
    """A row of the REJECTED table."""

    path: str
    reason: str
    detail: str


def clean(
    archive: Archive,
    layout: Layout,
    rule: str,
    corrections: list[Correction],
    known: pd.DataFrame = NONE_DECODED,
    code: str = "",
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the usable images, the rejected files, and the paths in corrections not applied.

    The tables have the columns IMAGES and REJECTED; usable images also have the DECODED columns.
    Images in a folder for unlabelled images have the label "". Without classes, all images
    without a correction have this label. A file with a row in `known`, an earlier run's DECODED
    table, is not decoded again; `code` identifies the code that decodes.

    Each class of `layout` needs at least one usable image. `rule` is "decodes" or "jfif", as in
    `clean.rule`.

    A correction applies to all images with its `pixels_sha256`, whatever their paths. A correction
    without `pixels_sha256` applies to the image at its path and to all others with the same pixels,
    unless another correction contains that image's hash. If no image has a correction's
    `pixels_sha256`, because the photo was replaced or removed, that correction is not applied.

    Each file except metadata.csv is in exactly one of the tables, which are sorted by path. Files
    whose names do not look like image names are rejected, unless metadata.csv or a correction lists
    them. If several images have the same pixels, one of them is kept, or none if their labels
    differ. Labelled images are preferred, then images in the archive's test split, then those with
    the shortest path. Files that share a name are all rejected. Paths are names in the archive; in
    the second table, they are made printable. Raises InputError if a class has no usable image.
    """
    names = [name for name in members(archive) if not is_metadata(name)]
    corrected_paths = {correction.path for correction in corrections}
    set_aside = {name for name in names if not layout.classes or lies_unlabelled(name)}
    rows = layout.rows or {}
    set_aside = set(filter(is_image_name, set_aside.difference(rows)))
    set_aside |= {name for name, row in rows.items() if is_unlabelled(row.label)}
    assign = partial(_assign, archive, layout, set_aside | corrected_paths, Counter(names))
    assigned = [_row_or_rejection(assign, name) for name in names]
    labelled = {row["path"]: row for row in assigned if not isinstance(row, Rejection)}
    origin = repr((code, rule, archive.bits)).encode()
    reused = _find_known_rows(archive, origin, known, labelled)
    paths = set(reused["path"])
    new = [name for name in labelled if name not in paths]
    results = map_items(partial(_row_or_rejection, partial(_decode, archive, rule, origin)), new)
    examined = list(track(results, "clean", len(new)))
    complete = [row for row in examined if not isinstance(row, Rejection)]
    content = pd.concat([reused, pd.DataFrame(complete, columns=["path", *DECODED])])
    images = pd.DataFrame(labelled.values(), columns=ASSIGNED).merge(content, on="path")
    images = images.astype(IMAGES | DECODED)
    has_none = NEITHER in layout.classes
    images, without_label, not_applied = _apply_corrections(
        images, corrections, set_aside, has_none
    )
    usable, duplicates = without_duplicates(images)
    reasons = [row for row in [*assigned, *examined] if isinstance(row, Rejection)]
    unusable = pd.DataFrame(reasons, columns=list(REJECTED))
    rejected = pd.concat([unusable, without_label, duplicates])
    rejected = rejected.sort_values("path", kind="stable")
    _require_usable(layout, usable, rejected, archive.filename)
    return usable, rejected, not_applied


def _assign(
    archive: Archive, layout: Layout, may_lack: set[str], times: Counter[str], name: str
) -> dict:
    """Return a file's path, label, archive_split and group. Raises UnusableImageError.

    `times` counts how often each name occurs. Files that `may_lack` a label, because a correction
    provides the label or because nobody has labelled them yet, have the label "".
    """
    require_safe(archive, name)
    row = layout.rows.get(name) if layout.rows else None
    if name not in may_lack and not row and not is_image_name(name):
        detail = "hidden, in a system folder, or without an image suffix"
        raise UnusableImageError("other_file", detail)
    if times[name] > 1:
        raise UnusableImageError("duplicate_name", f"{times[name]} files with this name")
    label, archive_split = layout.places[name]
    if not label and name not in may_lack:
        detail = NOT_NAMED
        if layout.rows is not None:
            detail = NO_CLASS if row else NOT_LISTED
        raise UnusableImageError(UNLABELLED, detail)
    group = row.group if row else ""
    return {"path": name, "label": label, "archive_split": archive_split, "group": group}


def _find_known_rows(
    archive: Archive, origin: bytes, decoded: pd.DataFrame, names: Collection[str]
) -> pd.DataFrame:
    """Return the `decoded` rows for files with the same bytes, with their names as `path`."""
    row_of = dict(zip(decoded["key"], range(len(decoded))))
    files = names if row_of else ()
    map_files = map if mean_size(archive) < SMALL else map_in_threads
    computed = map_files(partial(_key_of_member, archive, origin), files)
    keys = track(computed, "known files", len(files), "file")
    positions = {name: row_of[key] for name, key in zip(names, keys) if key in row_of}
    return decoded.iloc[list(positions.values())].assign(path=list(positions))


def _key_of_member(archive: Archive, origin: bytes, name: str) -> str:
    """Return a file's key, or "" if the file cannot be read."""
    try:
        return key_of(origin, archive.md5_of(name) or read_member(archive, name))
    except UnusableImageError:
        return ""


def key_of(origin: bytes, data: bytes) -> str:
    """Return the DECODED `key` for the decoder's identity and a file's bytes or listed MD5."""
    return hashlib.sha256(origin + data).hexdigest()


def _decode(archive: Archive, rule: str, origin: bytes, name: str) -> dict:
    """Return the path of a file and its DECODED row. Raises UnusableImageError."""
    data = read_member(archive, name)
    key = key_of(origin, archive.md5_of(name) or data)
    with usable(data):
        return {"path": name, "key": key, **decode_row(data, rule, archive.bits)}


def _row_or_rejection(function: Callable[[str], dict], name: str) -> dict | Rejection:
    """Return the function's row for a file, or the reason if the file cannot be used."""
    try:
        return function(name)
    except UnusableImageError as unusable:
        return Rejection(printable(name), unusable.reason, printable(unusable.detail))


def _apply_corrections(
    images: pd.DataFrame, corrections: list[Correction], set_aside: set[str], has_none: bool
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return images with corrected labels, rejected images, and the corrections not applied.

    See `clean` for the rules. An image has the label "" if only a correction can provide its label,
    and that correction may be for different pixels. Files in `set_aside` may keep this label.
    `has_none` means that NEITHER is a class.
    """
    pixels = dict(zip(images["path"], images["pixels_sha256"]))
    of_page = {row.image: row.label for row in corrections if row.is_of_page}
    labels = {row.image: row.label for row in corrections if not row.is_of_page}
    every_label = of_page | labels
    label_of_pixels = {pixels[name]: label for name, label in every_label.items() if name in pixels}
    right = [
        labels.get(sha256)
        or labels.get(path)
        or every_label.get(sha256)
        or every_label.get(path)
        or label_of_pixels.get(sha256, label)
        for path, sha256, label in images[["path", "pixels_sha256", "label"]].to_numpy().tolist()
    ]
    images = images.assign(label=pd.Series(right, images.index, "str"))
    reasons = {"": (UNLABELLED, "its correction is for different pixels")}
    if not has_none:
        reasons[NEITHER] = ("label_none", f"its label in labels.csv is {NEITHER}")
    is_set_aside = (images["label"] == "") & images["path"].isin(set_aside)
    has_label = ~images["label"].isin(reasons) | is_set_aside
    without_label = pd.DataFrame(
        [(printable(row.path), *reasons[row.label]) for row in images[~has_label].itertuples()],
        columns=list(REJECTED),
    )
    hashes = {"", *pixels.values()}
    not_applied = [row.path for row in corrections if row.pixels_sha256 not in hashes]
    return images[has_label], without_label, not_applied


def _require_usable(
    layout: Layout, usable: pd.DataFrame, rejected: pd.DataFrame, archive: str
) -> None:
    """Raise InputError if a class has no usable image, with the most frequent reason.

    The message includes an example file, because the tables are not written in this case.
    """
    lacking = [label for label in layout.classes if not (usable["label"] == label).any()]
    if lacking:
        label = lacking[0]
        names = [printable(name) for name, place in layout.places.items() if place.label == label]
        why = _describe_reason(label, rejected[rejected["path"].isin(names)])
        raise InputError(
            f"{archive}: expected a usable image of class {label}. Received: "
            f"{describe_files(usable, rejected)}. {describe_pointers(rejected) or why}"
        )


def _describe_reason(label: str, rejected: pd.DataFrame) -> str:
    """Return the most common reason for rejecting a class's files, and what to do about it."""
    if rejected.empty:  # labels.csv may have moved all its images to another class
        return f"See clean.labels. {ACCEPTED}"
    reason = rejected["reason"].value_counts().idxmax()
    files = rejected[rejected["reason"] == reason]
    path, _, detail = files.iloc[0][list(REJECTED)]
    todo = {
        "unsafe_name": advise_on_name(detail),
        "other_file": ACCEPTED,
        "contradictory": "Write the right labels to labels.csv, or remove the wrong copies.",
        UNLABELLED: "See clean.labels.",
    }
    number = counted(len(files), "file")
    return (
        f"Most frequent for {label}: {number} {reason.replace('_', ' ')} ({detail}), such as "
        f"{path}. {todo.get(reason, 'docs/images.md has the reasons.')}"
    )


def without_duplicates(images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Remove exact duplicates from images. Also return a REJECTED row for each duplicate removed.

    `images` is sorted by path and has the columns `path`, `label`, `archive_split` and
    `pixels_sha256`.
    """
    paths = images["path"]
    # Copies usually have longer names, such as IMG_3 (1).jpg for IMG_3.jpg.
    keys = paths.str.len(), images["archive_split"] != "test", images["label"] == ""
    images = images.iloc[np.lexsort(keys)]  # the last key is the primary one
    images = images.assign(known=images["label"].where(images["label"] != ""))
    copies = images.groupby("pixels_sha256", sort=False)
    is_contradictory = copies["known"].transform("nunique") > 1
    is_repeated = images.duplicated("pixels_sha256")
    is_rejected = is_repeated | is_contradictory
    columns = ["path", "label", "archive_split"]
    # Each row is a duplicate of the first image in its group; that image duplicates the second one.
    twin = copies[columns].transform("first").where(is_repeated, copies[columns].shift(-1), axis=0)
    labels = images["label"].replace("", UNLABELLED)
    twin_labels = twin["label"].replace("", UNLABELLED)
    is_of_test = (twin["archive_split"] == "test") & (images["archive_split"] != "test")
    of = np.where(is_of_test, OF_TEST, " with the pixels of ")
    detail = labels + of + twin["path"] + ", " + twin_labels
    rejected = pd.DataFrame(
        {
            "path": images["path"][is_rejected].map(printable),
            "reason": np.where(is_contradictory, "contradictory", "duplicate")[is_rejected],
            "detail": detail[is_rejected].map(printable),
        }
    )
    return images[~is_rejected].drop(columns="known").sort_values("path"), rejected


def describe_copied(usable: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Explain that most training images of some classes are copies of test images, or return "".

    `usable` is an IMAGES table, and `rejected` a REJECTED table.
    """
    details = rejected["detail"][rejected["reason"] == "duplicate"]
    copies = details.str.extract(f"^(.*){OF_TEST}", expand=False).value_counts()
    others = usable["label"][usable["archive_split"] != "test"].map(printable).value_counts()
    copies = copies[copies > others.reindex(copies.index, fill_value=0)]
    if copies.empty:
        return ""
    found = f"{copies.sum():,} with the pixels of test images ({name_some(copies.index)})"
    return (
        f"expected training images that are not in the test set. Received: {found}. Remove these "
        "copies from the test set, or set split.use_archive_split to false."
    )


def describe_bits(images: pd.DataFrame, bits: int | None) -> str:
    """Return advice about `clean.bits` for images above 8 bits, or "" if the setting is right.

    `images` has the columns `used_bits` and `file_bits`, and was cleaned with the setting `bits`.
    """
    deep = images[images["file_bits"] > 8]
    used = deep["used_bits"].max()
    held = deep["file_bits"].max()
    if bits is None and used < held:
        return (
            f"{len(deep):,} {held}-bit images use only {used} bits; set clean.bits to "
            f"{used}, so that {2**used - 1:,} is white, in these and in new images"
        )
    if bits is not None and used > bits:
        return (
            f"clean.bits: {bits} turns values above {2**bits - 1:,} white in "
            f"{(deep['used_bits'] > bits).sum():,} images, some of which use {used} bits"
        )
    return ""


def describe_pages(images: pd.DataFrame) -> str:
    """Return how many files contain more than one page or frame, as text, or "" if none do.

    `images` has the column `has_more`.
    """
    files = images["has_more"].sum()
    if not files:
        return ""
    return f"{counted(files, 'file')} with several pages or frames; the first of each is used"


def describe_files(usable: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Return text such as "kept 4 of 7 images (2 truncated, 1 empty file); 3 other files (3 .txt)".

    `usable` contains a row for each usable image, including UNKNOWN ones. `rejected` is a REJECTED
    table.
    """
    is_other = rejected["reason"] == "other_file"
    suffixes = count_suffixes(rejected["path"][is_other].tolist())
    reasons = rejected["reason"][~is_other].str.replace("_", " ").value_counts().items()
    counts = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    text = f"kept {len(usable):,} of {len(usable) + len(rejected) - is_other.sum():,} images"
    text += f" ({counts})" if counts else ""
    return (
        f"{text}; {counted(is_other.sum(), 'other file')} ({suffixes})" if is_other.any() else text
    )


def describe_pointers(rejected: pd.DataFrame) -> str:
    """Return text such as "20 images missing: a pointer of Git LFS: run …", or "" if none are.

    `rejected` is a REJECTED table.
    """
    details = rejected["detail"][rejected["reason"] == "no_content"]
    if details.empty:
        return ""
    return f"{counted(len(details), 'image')} missing: {', '.join(details.unique())}"


def describe_unlabelled(rejected: pd.DataFrame, detail: str) -> str:
    """Return the folders whose images were rejected as unlabelled for this reason: "birds/ (50)".

    At most SHOWN folders are listed, starting with the largest. `rejected` is a REJECTED table.
    """
    is_meant = (rejected["reason"] == UNLABELLED) & (rejected["detail"] == detail)
    folders = [f"{PurePosixPath(path).parent}/" for path in rejected.loc[is_meant, "path"]]
    number = Counter(folders).most_common(SHOWN)
    return ", ".join(f"{printable(folder)} ({images:,})" for folder, images in number)
