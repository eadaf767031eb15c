"""labels.csv and splits.csv: what a person says of the labels and the splits of images."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from pawprint.classes import NEITHER
from pawprint.columns import SPLITS
from pawprint.errors import InputError, name_some, printable
from pawprint.files import write_text
from pawprint.project import LABELS_CSV, SPLITS_CSV
from pawprint.tables import name_likely, parse_csv, read_csv_rows, spellings

LABEL_COLUMNS = ("path", "label")  # and perhaps `pixels_sha256`
SPLIT_COLUMNS = ("pixels_sha256", "split")
# Both without a row, as in a new project.
EMPTY_TABLES = {
    LABELS_CSV: f"{','.join(LABEL_COLUMNS)}\n",
    SPLITS_CSV: f"{','.join(SPLIT_COLUMNS)}\n",
}
SHA256 = re.compile("[0-9a-f]{64}")


class Correction(NamedTuple):
    """The label, or NEITHER, of an image.

    With `pixels_sha256`, this is the image with these pixels, and the path is where it once was.
    Without, it is the image that has the path.
    """

    path: str
    label: str
    pixels_sha256: str = ""

    @property
    def image(self) -> str:
        """What the image is known by."""
        return self.pixels_sha256 or self.path


def read_corrections(
    path: Path, members: Collection[str], labels: Iterable[str]
) -> list[Correction]:
    """The rows of labels.csv.

    A path in other Unicode than the member, or with spaces at its ends, is that of the member.
    Raises InputError with the line number for a label that is not one of `labels`, another path
    without `pixels_sha256` that is not one of `members`, an image that occurs twice, and another
    `pixels_sha256` than 64 hexadecimal digits, and for a file that is not such a table.
    """
    choices = [*labels, NEITHER]
    member_of = {normalize("NFC", name): name for name in members} | {n: n for n in members}
    corrections: dict[str, Correction] = {}
    for line, row in read_csv_rows(path, LABEL_COLUMNS):
        found = (member_of[name] for name in spellings(row["path"]) if name in member_of)
        name = next(found, row["path"])
        label = normalize("NFC", row["label"])
        pixels = row.get("pixels_sha256", "")
        correction = Correction(name, label, pixels)
        problem = None
        if pixels and not SHA256.fullmatch(pixels):
            problem = (
                "expected pixels_sha256 of 64 hexadecimal digits, or none. Received: "
                f"{pixels!r}. Correct it."
            )
        elif not pixels and name not in members:
            likely = name_likely(name, [*members])
            problem = (
                f"expected the path of a file in the archive, such as {min(members, default='')}. "
                f"Received: {name!r}. {likely or 'If the image is gone, remove the line.'}"
            )
        elif label not in choices:
            problem = (
                f"expected the label {', '.join(choices[:-1])} or {NEITHER}. Received: {label!r}."
            )
        elif correction.image in corrections:
            problem = f"expected each image once. Received: {correction.image!r} again."
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}")
        corrections[correction.image] = correction
    return [*corrections.values()]


MAX_DEVIATION = 0.02  # of a fraction, without a line


def read_kept_splits(path: Path) -> dict[str, str]:
    """The split by `pixels_sha256`, in the order of the rows.

    Raises InputError with the line number for a hash other than 64 hexadecimal digits, for a split
    other than SPLITS, and for an image in two splits, and for a file that is not such a table.
    """
    splits: dict[str, str] = {}
    for line, row in read_csv_rows(path, SPLIT_COLUMNS):
        pixels, split = row["pixels_sha256"], row["split"]
        problem = None
        if not SHA256.fullmatch(pixels):
            problem = f"expected pixels_sha256 of 64 hexadecimal digits. Received: {pixels!r}"
        elif split not in SPLITS:
            problem = f"expected the split {', '.join(SPLITS)}. Received: {split!r}"
        elif splits.setdefault(pixels, split) != split:
            problem = (
                f"expected one split of each image. Received: {split} for {pixels}, which is in "
                f"{splits[pixels]} above"
            )
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}. Correct the line.")
    return splits


def keep_splits(path: Path, images: pd.DataFrame, to_train: bool = False) -> pd.DataFrame:
    """Write the splits of a table SPLIT into splits.csv, and return the rows that are new there.

    With `to_train`, new images that are in no group with old ones are training images. Rows of
    other images, and further columns, stay as they are. Raises InputError for a file that is not
    such a table.
    """
    content = path.read_bytes() if path.exists() else EMPTY_TABLES[SPLITS_CSV].encode()
    written = parse_csv(content, str(path), SPLIT_COLUMNS)
    table = pd.DataFrame([cells for _, cells in written.rows], columns=written.names, dtype=str)
    split_of = images.set_index("pixels_sha256")["split"]
    table["split"] = table["pixels_sha256"].map(split_of).fillna(table["split"])
    is_new = ~images["pixels_sha256"].isin(table["pixels_sha256"])
    new = images[is_new]
    if to_train:
        is_with_old = new["group"].isin(images["group"][~is_new])
        new = new.assign(split=new["split"].where(is_with_old, "train"))
    rows = pd.concat([table, new[list(SPLIT_COLUMNS)]]).fillna("")
    write_text(path, rows.rename(columns=str.strip).to_csv(index=False, lineterminator="\n"))
    return new


def describe_kept_splits(
    images: pd.DataFrame, kept_splits: dict[str, str], fractions: dict[str, float]
) -> list[str]:
    """Lines on what splits.csv, `kept_splits`, has to do with a split of the images, a table SPLIT.

    Images without a row; rows that name no image; rows that the split does not follow, because
    groups stay together; and fractions of a class that differ by more than MAX_DEVIATION, and by
    more than an image, from those given, by split.
    """
    if not kept_splits:
        return []
    lines = []
    if new := int((~images["pixels_sha256"].isin(kept_splits)).sum()):
        lines.append(
            f"{new:,} images are not in the file, so later changes can move them. Run `pawprint "
            "keep-splits` to keep them where they are"
        )
    if rows := len(kept_splits.keys() - set(images["pixels_sha256"])):
        lines.append(f"{rows:,} of {len(kept_splits):,} rows are of no usable image")
    expected = images["pixels_sha256"].map(kept_splits)
    moved = images[expected.notna() & (expected != images["split"])]
    if groups := sorted(set(moved["group"])):
        lines.append(
            f"divides {len(groups):,} groups, those of {name_some(groups)}. Each is "
            f"where the first of its images in the file is, so {len(moved):,} images are not where "
            "their row says"
        )
    actual = pd.crosstab(images["label"], images["split"], normalize="index")
    gap = (actual[list(fractions)] - pd.Series(fractions)).stack().abs()
    number = images["label"].value_counts()
    is_off = (gap > MAX_DEVIATION) & (gap * number.reindex(gap.index.get_level_values(0)).array > 1)
    if is_off.any():
        examples = name_some(
            f"{actual.loc[label, split]:.1%} of {number[label]:,} images of {label} for {split}"
            for label, split in gap[is_off].sort_values(ascending=False, kind="stable").index
        )
        lines.append(f"images that stay leave other fractions: {examples}")
    return lines
