"""labels.csv and splits.csv: what a person says of the labels and the splits of images."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from pawprint.classes import NEITHER, problem_of_names
from pawprint.columns import SPLITS
from pawprint.errors import InputError, printable
from pawprint.project import LABELS_CSV, SPLITS_CSV
from pawprint.written_tables import name_likely, read_csv_rows, spellings

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
    path: Path, members: Collection[str] | None = None, labels: Iterable[str] | None = None
) -> list[Correction]:
    """Return the rows of labels.csv.

    A path in other Unicode than the member, or with spaces at its ends, is that of the member.
    Raises InputError with the line number for a label that is not one of `labels`, another path
    without `pixels_sha256` that is not one of `members`, an image that occurs twice, and another
    `pixels_sha256` than 64 hexadecimal digits, and for a file that is not such a table. Paths or
    labels are not checked where None is known of them.
    """
    choices = None if labels is None else [*labels, NEITHER]
    is_known = members is not None
    members = members or ()
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
        elif is_known and not pixels and name not in member_of:
            likely = name_likely(name, [*members])
            problem = (
                f"expected the path of a file in the archive, such as {min(members, default='')}. "
                f"Received: {name!r}. {likely or 'If the image is gone, remove the line.'}"
            )
        elif choices and label not in choices:
            problem = (
                f"expected the label {', '.join(choices[:-1])} or {NEITHER}. Received: {label!r}."
            )
        elif correction.image in corrections:
            problem = f"expected each image once. Received: {correction.image!r} again."
        if problem:
            raise InputError(f"{path}: line {line}: {printable(problem)}")
        corrections[correction.image] = correction
    return [*corrections.values()]


def classes_given(corrections: Iterable[Correction]) -> list[str]:
    """Return the labels in labels.csv, sorted: the classes of images that no folder gives one.

    Raises InputError for labels that no classes can have.
    """
    labels = {correction.label for correction in corrections} - {NEITHER}
    if problem := problem_of_names(labels):
        raise InputError(f"{LABELS_CSV}: {problem}. Correct the labels.")
    return sorted(labels)


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
