"""Apply labels.csv to the images, and list the usable and the rejected ones."""

import csv
import io
from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd

from pawprint.base.columns import OF_TEST, REJECTED
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.labels import (
    NEITHER,
    ONE_CLASS,
    SEVERAL_LABELS,
    UNKNOWN,
    UNLABELLED,
    LabelKind,
    cell_of,
)
from pawprint.base.paths import LABELS_CSV, REJECTED_CSV
from pawprint.data.rejected import (
    describe_files,
    describe_pointers,
    describe_reason,
    describe_unlabelled,
)
from pawprint.given.folders import describe_class_counts
from pawprint.given.user_tables import Correction

# Reasons for rejection that depend on labels or copies.
REASONS = (UNLABELLED, "label_none", "duplicate", "contradictory")
FEW = 3  # images of a label that a person may have removed from each of them


def source_classes(images: pd.DataFrame, rejected: pd.DataFrame, kind: LabelKind) -> list[str]:
    """Return the sorted classes of the source, given the tables IMAGES and REJECTED of `clean`."""
    found = kind.names_in([*images["label"], *rejected["label"]])
    return sorted(found - {"", UNKNOWN})


def apply_labels(
    images: pd.DataFrame,
    rejected: pd.DataFrame,
    corrections: list[Correction],
    kind: LabelKind = ONE_CLASS,
    not_asked: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Return the usable images, the rejected ones, and why corrections are not applied, by path.

    `images` and `rejected` are the tables IMAGES and REJECTED of `clean`; the first two results
    have their columns and order. Each class of the source needs at least one usable image. Images
    that are yet to be labelled have the label "".

    A correction applies to all images with its `pixels_sha256`, or with the pixels of the image at
    its path. If several apply to an image, a single image's counts more than a page's, then one
    that names the image's path, then one without a hash, which a person wrote. Images
    `without_label` are rejected unless a correction names their paths. A correction is not applied
    if no image has its `pixels_sha256`, because the photo was replaced or removed, or if its file
    is not used.

    If several images have the same pixels, one of them is kept, or none if their labels
    differ. Labelled images are preferred, then images in the archive's test split, then those with
    the shortest path. With several labels, no image is rejected for the label NEITHER, and a label
    in `not_asked` is not known where no cell names it. Raises InputError if a class has no usable
    image.
    """
    classes = source_classes(images, rejected, kind)
    is_named = images["path"].isin({correction.path for correction in corrections})
    considered = images[is_named | (images["without_label"] == "")]
    labels = _correct(considered, corrections).reindex(images.index, fill_value="")
    labels = completed(labels, images, kind, not_asked)
    is_none = (labels == NEITHER) & (NEITHER not in {*classes, *kind.empty})
    detail = images["without_label"].where(labels == "", "")
    detail = detail.mask((detail != "") & is_named, "its correction is for different pixels")
    detail = detail.mask(is_none, f"its label in labels.csv is {NEITHER}")
    reason = np.where(is_none, "label_none", UNLABELLED)
    without_label = images.assign(reason=reason, detail=detail)
    usable, duplicates = without_duplicates(images.assign(label=labels)[detail == ""])
    known = {*considered["path"], *considered["pixels_sha256"]}
    why = dict(zip(rejected["path"], rejected["detail"]))
    not_applied = {
        row.path: why.get(row.path, "no image has its pixels_sha256")
        for row in corrections
        if row.image not in known
    }
    parts = (rejected, without_label.loc[detail != "", list(REJECTED)], duplicates)
    rejected = pd.concat(parts).sort_values("path", kind="stable")
    if lacking := sorted({*classes} - kind.names_in(usable["label"])):
        each = kind.one_per_label(rejected)
        raise InputError(
            f"split: expected a usable image of class {lacking[0]}. Received: "
            f"{describe_files(usable, rejected)}. "
            f"{describe_pointers(rejected) or describe_reason(lacking[0], each)}"
        )
    return usable, rejected, not_applied


def _correct(images: pd.DataFrame, corrections: list[Correction]) -> pd.Series:
    """Return the labels of images after corrections. See `apply_labels` for the rules."""
    rows_of = _rows_of(images, corrections)
    right = [
        _preferred(rows_of[sha256], path).label if sha256 in rows_of else label
        for path, sha256, label in images[["path", "pixels_sha256", "label"]].to_numpy().tolist()
    ]
    return pd.Series(right, images.index, "str")


def completed(
    cells: pd.Series, images: pd.DataFrame, kind: LabelKind, not_asked: Collection[str]
) -> pd.Series:
    """Return a cell for each of `images` in which the source and copies say what `cells` do not.

    `images` has `label`, the source's cell, and `pixels_sha256`. See `LabelKind.complete`.
    """
    pairs = zip(cells, images["label"])
    complete = [kind.complete(cell, not_asked, source) for cell, source in pairs]
    return _filled(pd.Series(complete, images.index, "str"), images["pixels_sha256"], kind)


def _filled(cells: pd.Series, pixels: pd.Series, kind: LabelKind) -> pd.Series:
    """Return cells in which a label that is not known is as in all copies that know it.

    Copies have the same `pixels`. A cell in which nothing is known becomes "".
    """
    cells = cells.copy()
    states = cells.map(kind.states_in)
    is_open = np.array([-1 in each.values() for each in states], bool)
    has_copies = pixels.isin(pixels[is_open]) & pixels.duplicated(keep=False) & (cells != "")
    for _, copies in states[has_copies].groupby(pixels[has_copies], sort=False):
        for image, own in copies.items():
            found = {label: {each.get(label, 0) for each in copies} - {-1} for label in own}
            agreed = {label: min(each) for label, each in found.items() if len(each) == 1}
            cells[image] = kind.written(own | agreed)
    names = kind.names_in(cells[~cells.isin(["", UNKNOWN])])
    nothing = [
        image
        for image in cells.index[is_open]
        if names <= {name for name, state in kind.states_in(cells[image]).items() if state < 0}
    ]
    cells[nothing] = ""
    return cells


def _rows_of(images: pd.DataFrame, corrections: list[Correction]) -> dict[str, list[Correction]]:
    """Return the corrections of each image that has any, keyed by `pixels_sha256`."""
    pixels = dict(zip(images["path"], images["pixels_sha256"]))
    rows_of: dict[str, list[Correction]] = {}
    for row in corrections:
        if sha256 := row.pixels_sha256 or pixels.get(row.path):
            rows_of.setdefault(sha256, []).append(row)
    return rows_of


def _preferred(rows: list[Correction], path: str) -> Correction:
    return max(rows, key=lambda row: (not row.is_of_page, row.path == path, not row.pixels_sha256))


def describe_conflicts(images: pd.DataFrame, corrections: list[Correction]) -> Iterator[str]:
    """Yield a line about corrections that give an image of the table IMAGES several labels."""
    rows_of = _rows_of(images, corrections)
    found = []
    for path, sha256 in zip(images["path"], images["pixels_sha256"]):
        rows = rows_of.pop(sha256, [])  # once for all copies
        if len({row.label for row in rows}) > 1:
            each = " and ".join(f"{row.label} in line {row.line} ({row.path})" for row in rows)
            found.append(f"{path} is {each}: {_preferred(rows, path).label} counts")
    if found:
        yield f"{LABELS_CSV}: several labels for a photo: {name_some(found)}. Remove wrong rows"


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
            "path": images["path"][is_rejected],
            "label": images["label"][is_rejected],
            "reason": np.where(is_contradictory, "contradictory", "duplicate")[is_rejected],
            "detail": detail[is_rejected].map(printable),
        }
    )
    return images[~is_rejected].drop(columns="known").sort_values("path"), rejected


def describe_labels(
    images: pd.DataFrame,
    usable: pd.DataFrame,
    rejected: pd.DataFrame,
    number: int,
    not_applied: dict[str, str],
    kind: LabelKind = ONE_CLASS,
) -> Iterator[str]:
    """Yield lines about what `apply_labels` made of `images`, with a `number` of corrections."""
    if number:
        counts = describe_class_counts(kind.count(usable["label"]), kind)
        yield f"{counts}, with {counted(number - len(not_applied), 'label')} from {LABELS_CSV}"
    if rejected["reason"].isin(REASONS).any():
        yield f"{describe_files(usable, rejected)}; see {REJECTED_CSV}"
    yield from describe_unlabelled(rejected)
    if not_applied:
        rows = name_some(f"{path} ({why})" for path, why in not_applied.items())
        yield (
            f"{LABELS_CSV}: not applied to {rows}. If a label is right for the photo that now has "
            "this name, empty its pixels_sha256"
        )
    if is_unlabelled := (usable["label"] == "").sum():
        yield f"{is_unlabelled:,} {UNLABELLED}: label them with `pawprint app`"
    if not kind.exclusive:
        yield from _describe_cells(images, usable, rejected, kind)
    elif copies := _rows_of_copies(images, rejected, kind):
        yield (
            f"{counted(len(copies), 'photo')} with copies in other classes, such as {copies[0]}: "
            "if a photo can show several, set clean.several_labels: true"
        )


def _rows_of_copies(images: pd.DataFrame, rejected: pd.DataFrame, kind: LabelKind) -> list[str]:
    """Return a row of labels.csv for each photo whose copies have different labels, with all."""
    copies = rejected[(rejected["reason"] == "contradictory") & (rejected["label"] != "")]
    pixels = dict(zip(images["path"], images["pixels_sha256"]))
    paths: dict[str, str] = {}
    labels: dict[str, set[str]] = {}
    for path, label in zip(copies["path"], copies["label"]):
        paths.setdefault(pixels[path], printable(path))
        labels.setdefault(pixels[path], set()).update(kind.labels_in(label))
    csv.writer(text := io.StringIO()).writerows((paths[key], cell_of(labels[key])) for key in paths)
    return text.getvalue().splitlines()


def _describe_cells(
    images: pd.DataFrame, usable: pd.DataFrame, rejected: pd.DataFrame, kind: LabelKind
) -> Iterator[str]:
    """Yield lines about copies whose labels differ, and about labels that are never together."""
    rows = _rows_of_copies(images, rejected, kind)
    if rows:
        yield (
            f"{counted(len(rows), 'photo')} with copies that have other labels: left out. Add a "
            f"row for each to {LABELS_CSV}; if all labels are right:\n" + "\n".join(rows)
        )
    cells = usable["label"][usable["label"] != ""]
    if not rows and len(cells) and all(len(kind.labels_in(cell)) == 1 for cell in cells):
        yield (
            "each photo has exactly one label: unless one can show several, or none, set "
            "clean.several_labels: false"
        )


def describe_not_known(cells: pd.Series, not_asked: Collection[str]) -> Iterator[str]:
    """Yield lines about labels that are not known of some images, or that no image shows."""
    cells = cells[~cells.isin(["", UNKNOWN])]
    names = sorted(SEVERAL_LABELS.names_said(cells).union(not_asked))
    states = SEVERAL_LABELS.encode(cells, names)
    shown, lacking, open_ = ((states == state).sum(axis=0).tolist() for state in (1, 0, -1))
    counts = {name: each for name, *each in zip(names, shown, lacking, open_) if each[-1]}
    found = [
        f"{printable(name)} of {of_open:,} (shown: {of_shown:,}, not shown: {of_lacking:,})"
        for name, (of_shown, of_lacking, of_open) in counts.items()
    ]
    if found:
        yield f"not known of {len(cells):,} photos: {name_some(found, 20)}"
    for name, (of_shown, of_lacking, _) in counts.items():
        if not of_shown:
            yield f"{printable(name)} is left out until a photo shows it: `{name}` in its cell"
        elif not of_lacking:
            yield (
                f"{printable(name)}: no photo is known to lack it, so it will always be named: "
                "answer for some photos"
            )


def describe_overruled(
    images: pd.DataFrame, corrections: list[Correction], not_asked: Collection[str]
) -> Iterator[str]:
    """Yield a line for each label that metadata.csv gives, and that no row of labels.csv names.

    It may be newer than these rows. Fewer than FEW of its images are rather corrected.
    """
    rows_of = _rows_of(images, corrections)
    cells = images["label"][images["pixels_sha256"].isin(rows_of)]
    said = SEVERAL_LABELS.names_said(correction.label for correction in corrections)
    for name, number in sorted(SEVERAL_LABELS.count(cells).items()):
        if number >= FEW and name not in {*said, *not_asked, NEITHER, UNKNOWN, ""}:
            yield (
                f"{LABELS_CSV}: none of its rows has {printable(name)}, which metadata.csv gives "
                f"{number:,} of their photos: the rows count. If it is a new label, add it to "
                "clean.not_asked, or to these rows"
            )
