"""Name the files that may hold labels and are not read."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from pawprint.dataset.metadata_csv import is_metadata
from pawprint.errors import printable
from pawprint.images.archive import is_image_name

BESIDE = (".cls", ".json", ".txt")  # suffixes of a file with the label of the photo beside it
TABLES = (".arrow", ".csv", ".json", ".jsonl", ".npz", ".parquet", ".tsv", ".xlsx")


def describe_label_files(names: Iterable[str]) -> str:
    """Return text such as "40 .txt, such as cat/1.txt; 1 .csv, such as train.csv", or "".

    These are tables except for metadata.csv, and files with the name of a photo beside them, which
    may be a caption or a label. Hidden files and files in system folders are left out.
    """
    names = list(names)
    photos = {str(PurePosixPath(name).with_suffix("")) for name in names if is_image_name(name)}
    first: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for name in sorted(names):
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        is_beside = suffix in BESIDE and str(path.with_suffix("")) in photos
        is_visible = is_image_name(f"{name}.jpg")
        if is_visible and (is_beside or suffix in TABLES) and not is_metadata(name):
            numbers[suffix] += 1
            first.setdefault(suffix, name)
    kinds = (f"{numbers[suffix]:,} {suffix}, such as {first[suffix]}" for suffix in first)
    return "; ".join(map(printable, kinds))
