"""Decode every image once, and list the images and the rejected files.

Also describe these in lines for people.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial

import pandas as pd

from pawprint.base.columns import DECODED, IMAGES, REJECTED
from pawprint.base.errors import CONTROL_CHARACTERS, counted, printable
from pawprint.base.threads import map_in_threads, map_items, track
from pawprint.data.rejected import NO_CLASS, NOT_LISTED, NOT_NAMED
from pawprint.given.archive import (
    Archive,
    UnusableImageError,
    mean_size,
    members,
    read_member,
    require_safe,
)
from pawprint.given.decoding.content import decode_row
from pawprint.given.folders import Layout
from pawprint.given.metadata_csv import is_metadata
from pawprint.given.names import is_image_name, is_unlabelled, lies_unlabelled
from pawprint.given.reading import usable

ASSIGNED = ["path", "label", "archive_split", "group", "without_label"]
# In bytes. Two threads take as long as one for members of a zip of 22 KB, and twice as long for
# members of 2.6 KB, because they mostly wait for each other.
SMALL = 20_000
NO_IMAGES = pd.DataFrame(columns=list(IMAGES)).astype(IMAGES)


def clean(
    archive: Archive, layout: Layout, rule: str, known: pd.DataFrame = NO_IMAGES, code: str = ""
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables IMAGES and REJECTED, sorted by path.

    Each file except metadata.csv is in exactly one of them. Files whose names do not look like
    image names are rejected, unless metadata.csv lists them. Files that share a name are all
    rejected. Labels are the source's: a class, UNKNOWN or "". Paths are names in the archive; in
    the second table, names with control characters are escaped.

    `rule` is "decodes" or "jfif", as in `clean.rule`. A file with a row in `known`, the IMAGES
    table of an earlier run, is not decoded again; `code` identifies the code that decodes.
    """
    names = [name for name in members(archive) if not is_metadata(name)]
    assign = partial(_assign, archive, layout, Counter(names))
    assigned = [_row_or_rejection(assign, name) for name in names]
    placed = {row["path"]: row for row in assigned if "reason" not in row}
    origin = repr((code, rule, archive.bits)).encode()
    reused = _find_known_rows(archive, origin, known[list(DECODED)], placed)
    paths = set(reused["path"])
    new = [name for name in placed if name not in paths]
    results = map_items(partial(_row_or_rejection, partial(_decode, archive, rule, origin)), new)
    examined = list(track(results, "clean", len(new)))
    complete = [row for row in examined if "reason" not in row]
    content = pd.concat([reused, pd.DataFrame(complete, columns=["path", *DECODED])])
    images = pd.DataFrame(placed.values(), columns=ASSIGNED).merge(content, on="path")
    rows = zip([*names, *new], [*assigned, *examined])
    label_of = {name: place.label for name, place in layout.places.items()}
    unusable = [{"label": label_of.get(name, "")} | row for name, row in rows if "reason" in row]
    rejected = pd.DataFrame(unusable, columns=list(REJECTED)).sort_values("path", kind="stable")
    return images.astype(IMAGES).sort_values("path"), rejected


def _assign(archive: Archive, layout: Layout, times: Counter[str], name: str) -> dict:
    """Return a file's path, label, archive_split, group and why it lacks a label, or "".

    Raises UnusableImageError. `times` counts how often each name occurs.
    """
    require_safe(archive, name)
    row = layout.rows.get(name) if layout.rows else None
    if not row and not is_image_name(name):
        detail = "hidden, in a system folder, or without an image suffix"
        raise UnusableImageError("other_file", detail)
    if times[name] > 1:
        raise UnusableImageError("duplicate_name", f"{times[name]} files with this name")
    label, archive_split = layout.places[name]
    may_lack = is_unlabelled(row.label) if row else not layout.classes or lies_unlabelled(name)
    without_label = ""
    if not label and not may_lack:
        without_label = NOT_NAMED if layout.rows is None else NO_CLASS if row else NOT_LISTED
    group = row.group if row else ""
    return dict(zip(ASSIGNED, (name, label, archive_split, group, without_label)))


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


def _row_or_rejection(function: Callable[[str], dict], name: str) -> dict:
    """Return the function's row for a file, or its REJECTED row if the file cannot be used."""
    try:
        return function(name)
    except UnusableImageError as unusable:
        detail = printable(unusable.detail)
        path = printable(name) if CONTROL_CHARACTERS.search(name) else name
        return {"path": path, "reason": unusable.reason, "detail": detail}


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
