"""Decode every image once, and list which can be used and why the others cannot.

Applies the corrections of labels.csv; exact duplicates are removed. Reads data/raw/archives/ and
labels.csv. Params: `clean`. Writes data/clean/images.csv, data/clean/unknown.csv,
data/clean/rejected.csv and metrics/clean.json. Run: `python -m stages.clean`
"""

from functools import partial

from pawprint.core import data_paths
from pawprint.core.data_tables import IMAGES, REJECTED
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.labels import UNKNOWN
from pawprint.core.params.clean import Clean
from pawprint.core.tables import write_table
from pawprint.core.watched import watch
from pawprint.dataset.cleaning import clean
from pawprint.dataset.corrections import read_corrections
from pawprint.dataset.layout import describe_files, describe_folders_of_no_class, find_labels
from pawprint.dataset.metadata_csv import read_metadata
from pawprint.images.archive import members, open_archive
from pawprint.reports.counts import describe_imbalance


def main() -> None:
    params = Clean.load()
    labels = params.labels
    with open_archive(data_paths.RAW_ARCHIVES) as archive:
        names = members(archive)
        rows = read_metadata(archive, names)
        if labels == "auto":
            labels = find_labels(names, rows, archive.filename)
        read = partial(read_corrections, data_paths.LABELS, set(names), labels)
        corrections = watch(str(data_paths.LABELS), read)
        kept, rejected = clean(archive, labels, params.rule, corrections, rows)
    is_unknown = kept["label"] == UNKNOWN
    write_table(data_paths.CLEAN_IMAGES, kept[~is_unknown], IMAGES)
    write_table(data_paths.CLEAN_UNKNOWN, kept[is_unknown], IMAGES)
    write_table(data_paths.CLEAN_REJECTED, rejected, REJECTED)
    write_json(data_paths.CLEAN_METRICS, {"rejected": len(rejected)})
    why = f"; see {data_paths.CLEAN_REJECTED}" if len(rejected) else ""
    print(f"clean: {describe_files(kept, rejected)}{why}")
    if params.labels != "auto" and (folders := describe_folders_of_no_class(rejected)):
        print(f"clean: no class: {folders}; clean.labels: auto makes each folder a class")
    if is_unknown.any():
        print(f"clean: {is_unknown.sum():,} of them are {UNKNOWN}: for evaluate, not for training")
    if imbalance := describe_imbalance(kept[~is_unknown]):
        print(f"clean: the classes are imbalanced: {imbalance}; see train_finetune.class_weight")


if __name__ == "__main__":
    run_stage(main)
