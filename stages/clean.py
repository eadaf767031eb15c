"""Decode every image once, and list which can be used and why the others cannot.

Applies the corrections of labels.csv; exact duplicates are removed. Files with the bytes of a
usable image of the last recorded result are not decoded again. Reads data/raw/archives/ and
labels.csv. Params: `clean`. Writes data/clean/images.csv, data/clean/metadata.csv,
data/clean/unknown.csv, data/clean/rejected.csv, data/clean/decoded.csv and metrics/clean.json.
Run: `python -m stages.clean`
"""

import contextlib
from functools import partial
from pathlib import Path

import pandas as pd

from pawprint import project
from pawprint.classes import UNKNOWN
from pawprint.columns import DECODED, IMAGES, METADATA, REJECTED
from pawprint.dataset.cleaning import (
    NONE_DECODED,
    NOT_LISTED,
    clean,
    describe_bits,
    describe_files,
    describe_folders_of_no_class,
    describe_imbalance,
)
from pawprint.dataset.layouts import find_labels, further_columns, read_metadata_csv
from pawprint.dataset.user_tables import read_corrections
from pawprint.errors import InputError, name_some
from pawprint.files import md5, write_json
from pawprint.images.archive import members, open_archive
from pawprint.params.data import Clean
from pawprint.pipeline.entry import run_stage, running_code, watch
from pawprint.pipeline.recorded import Recorded
from pawprint.tables import read_table, write_table


def recorded_rows(recorded: Recorded, out: Path) -> pd.DataFrame:
    """The table DECODED of the last recorded result, without rows if it is missing or damaged."""
    expected = recorded.hash_of("clean", out)
    with contextlib.suppress(InputError, ValueError):
        path = recorded.file(expected)
        if md5(path) == expected:
            return read_table(path, DECODED)
    return NONE_DECODED


def main() -> None:
    params = Clean.load()
    labels = params.labels
    decoded = recorded_rows(Recorded(), project.DECODED_CSV)
    with open_archive(project.RAW_ARCHIVES, params.bits) as archive:
        names = members(archive)
        rows = read_metadata_csv(archive, names)
        if labels == "auto":
            labels = find_labels(names, rows, archive.filename)
        read = partial(read_corrections, project.LABELS_CSV, set(names), labels)
        corrections = watch(str(project.LABELS_CSV), read)
        code = repr(running_code("clean"))
        usable, rejected, not_applied = clean(
            archive, labels, params.rule, corrections, rows, code=code, decoded=decoded
        )
    is_unknown = usable["label"] == UNKNOWN
    write_table(project.IMAGES_CSV, usable[~is_unknown], IMAGES)
    write_table(project.UNKNOWN_CSV, usable[is_unknown], IMAGES)
    write_table(project.METADATA_CSV, further_columns(rows, usable["path"][~is_unknown]), METADATA)
    write_table(project.REJECTED_CSV, rejected, REJECTED)
    write_table(project.DECODED_CSV, usable, DECODED)
    write_json(project.CLEAN_METRICS, {"rejected": len(rejected)})
    why = f"; see {project.REJECTED_CSV}" if len(rejected) else ""
    print(f"clean: {describe_files(usable, rejected)}{why}")
    if reused := usable["key"].isin(decoded["key"]).sum():
        print(f"clean: {reused:,} images were not decoded again, as their files are known")
    is_unlisted = rejected["detail"] == NOT_LISTED
    if folders := describe_folders_of_no_class(rejected[is_unlisted]):
        print(f"clean: without a row in metadata.csv: {folders}; add rows with their labels")
    others = rejected[~is_unlisted]
    if params.labels != "auto" and (folders := describe_folders_of_no_class(others)):
        print(f"clean: no class: {folders}; clean.labels: auto makes each folder a class")
    if is_unknown.any():
        print(f"clean: {is_unknown.sum():,} of them are {UNKNOWN}: for evaluate, not for training")
    if not_applied:
        print(
            f"clean: {project.LABELS_CSV}: not applied, because no image has their pixels_sha256: "
            f"{name_some(not_applied)}. Remove the line, or empty its pixels_sha256 if the label "
            "is right for the photo that has this name now"
        )
    if bits := describe_bits(usable, params.bits):
        print(f"clean: {bits}")
    if imbalance := describe_imbalance(usable[~is_unknown]):
        print(f"clean: {imbalance}")


if __name__ == "__main__":
    run_stage(main)
