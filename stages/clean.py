"""Decode every image once, before a damaged, duplicate or unlabelled one can spoil training.

Lists the usable files, and the others with a reason. Applies the corrections of labels.csv; exact
duplicates are removed. Files with the bytes of a usable image of the last recorded result are not
decoded again. Reads data/raw/archives/ and labels.csv. Params: `clean`. Writes
data/clean/images.csv, data/clean/metadata.csv, data/clean/unknown.csv, data/clean/unlabelled.csv,
data/clean/rejected.csv, data/clean/decoded.csv and metrics/clean.json.
Run: `python -m stages.clean`
"""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from pawprint.base import paths
from pawprint.base.classes import UNKNOWN, UNLABELLED
from pawprint.base.columns import DECODED, IMAGES, METADATA, REJECTED
from pawprint.base.errors import counted, name_some, printable
from pawprint.base.files import read_text, write_json
from pawprint.base.tables import write_table
from pawprint.data import cleaning
from pawprint.data.unusual import describe_dark, describe_unusual, find_unusual
from pawprint.given.archive import describe_encoding, members, open_archive
from pawprint.given.folders import (
    describe_alike,
    describe_class_counts,
    describe_names,
    find_layout,
)
from pawprint.given.metadata_csv import describe_crop_rules, further_columns, read_metadata_csv
from pawprint.given.user_tables import classes_given, read_corrections
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.data import Clean
from pawprint.pipeline.recorded import Recorded


def main() -> None:
    """List the usable and rejected images and print a summary."""
    params = Clean.load()
    decoded = Recorded().table("clean", paths.DECODED_CSV, DECODED)
    decoded = cleaning.NONE_DECODED if decoded is None else decoded
    with open_archive(paths.RAW_ARCHIVES, params.bits) as archive:
        names = members(archive)
        rows = read_metadata_csv(archive, names)
        layout = find_layout(names, rows, params.labels, archive.filename)
        report("clean", [describe_encoding(archive)])
        corrections = read_corrections(paths.LABELS_CSV, set(names), layout.classes or None)
        if not corrections:
            print(f"clean: {describe_class_counts(layout.count_labels())}", flush=True)
        if not layout.classes and (given := classes_given(corrections)):
            print(f"clean: classes from {paths.LABELS_CSV}: {', '.join(map(printable, given))}")
        code = read_text(paths.DECODED_ROW_CODE)
        usable, rejected, not_applied = cleaning.clean(
            archive, layout, params.rule, corrections, decoded, code
        )
    is_unknown = usable["label"] == UNKNOWN
    is_unlabelled = usable["label"] == ""
    images = usable[~is_unknown & ~is_unlabelled]
    write_table(paths.IMAGES_CSV, images, IMAGES)
    write_table(paths.UNKNOWN_CSV, usable[is_unknown], IMAGES)
    write_table(paths.UNLABELLED_CSV, usable[is_unlabelled], IMAGES)
    metadata = further_columns(rows, images["path"])
    write_table(paths.METADATA_CSV, metadata, METADATA)
    write_table(paths.REJECTED_CSV, rejected, REJECTED)
    write_table(paths.DECODED_CSV, usable, DECODED)
    write_json(paths.CLEAN_METRICS, {"rejected": len(rejected)})
    if corrections:
        report("clean", [describe_corrected(usable, len(corrections) - len(not_applied))])
    report("clean", describe(usable, rejected, decoded))
    report("clean", describe_unlabelled_folders(rejected, params))
    report("clean", describe_content(usable, images, params))
    report("clean", [describe_crop_rules(metadata, images["path"])])
    report("clean", [*describe_names(layout.places), describe_alike(Counter(images["label"]))])
    report("clean", describe_not_applied(not_applied))


def describe_corrected(usable: pd.DataFrame, applied: int) -> str:
    """Return a line about the classes, and the number of labels in labels.csv that were used."""
    counts = describe_class_counts(Counter(usable["label"]))
    return f"{counts}, with {counted(applied, 'label')} from {paths.LABELS_CSV}"


def describe(usable: pd.DataFrame, rejected: pd.DataFrame, decoded: pd.DataFrame) -> Iterator[str]:
    """Yield lines about the files; `decoded` contains the rows of the last recorded result."""
    if len(rejected):
        yield f"{cleaning.describe_files(usable, rejected)}; see {paths.REJECTED_CSV}"
    if reused := usable["key"].isin(decoded["key"]).sum():
        yield f"{reused:,} images were not decoded again, because their files have not changed"
    yield cleaning.describe_pointers(rejected)


def describe_unlabelled_folders(rejected: pd.DataFrame, params: Clean) -> Iterator[str]:
    """Yield lines about folders of files without a class, with advice."""
    if folders := cleaning.describe_unlabelled(rejected, cleaning.NOT_LISTED):
        yield f"without a row in metadata.csv: {folders}; add rows with their labels"
    if folders := cleaning.describe_unlabelled(rejected, cleaning.NO_CLASS):
        yield f"labels in metadata.csv that are not classes: {folders}; see clean.labels"
    if folders := cleaning.describe_unlabelled(rejected, cleaning.NOT_NAMED):
        todo = "move the images into the folders of their classes, in train/ if there is one"
        if isinstance(params.labels, dict):
            todo = "add the folders to clean.labels, or set it to auto"
        yield f"unlabelled: {folders}; {todo}"


def describe_content(usable: pd.DataFrame, images: pd.DataFrame, params: Clean) -> Iterator[str]:
    """Yield lines about images without a label, with more than 8 bits, several pages or odd looks.

    `images` are the `usable` ones of the classes.
    """
    if is_unlabelled := (usable["label"] == "").sum():
        yield f"{is_unlabelled:,} {UNLABELLED}: label them with `pawprint app`"
    yield cleaning.describe_bits(usable, params.bits) or describe_dark(usable)
    yield cleaning.describe_pages(usable)
    if unusual := describe_unusual(find_unusual(images)):
        yield f"{unusual}; see plots/unusual.jpg"


def describe_not_applied(names: list[str]) -> Iterator[str]:
    """Yield a line about the rows of labels.csv that do not match any image."""
    if names:
        yield (
            f"{paths.LABELS_CSV}: not applied, because no image has the pixels_sha256 of these "
            f"rows: {name_some(names)}. If a label is right for the photo that now has this name, "
            "empty its pixels_sha256"
        )


if __name__ == "__main__":
    run_stage(main)
