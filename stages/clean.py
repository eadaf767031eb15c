"""Decode every image once, and list which can be used and why the others cannot.

Applies the corrections of labels.csv; exact duplicates are removed. Reads data/raw/archives/ and
labels.csv. Params: `clean`. Writes data/clean/images.csv, data/clean/rejected.csv and
metrics/clean.json. Run: `python -m stages.clean`
"""

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.params.clean import Clean
from pawprint.core.tables import IMAGES, REJECTED, write_table
from pawprint.dataset.cleaning import clean, describe
from pawprint.dataset.corrections import read_corrections
from pawprint.dataset.layout import find_labels
from pawprint.dataset.metadata_csv import read_metadata
from pawprint.images.archive import members, open_archive
from pawprint.reports.counts import describe_imbalance


def main() -> None:
    params = Clean.load()
    labels = params.labels
    with open_archive(paths.RAW_ARCHIVES) as archive:
        names = members(archive)
        rows = read_metadata(archive, names)
        if labels == "auto":
            labels = find_labels(names, rows, archive.filename)
        corrections = read_corrections(paths.LABELS, set(names), labels)
        kept, rejected = clean(archive, labels, params.rule, corrections, rows)
    write_table(paths.CLEAN_IMAGES, kept, IMAGES)
    write_table(paths.CLEAN_REJECTED, rejected, REJECTED)
    write_json(paths.CLEAN_METRICS, {"rejected": len(rejected)})
    why = f"; see {paths.CLEAN_REJECTED}" if len(rejected) else ""
    print(f"clean: {describe(kept, rejected)}{why}")
    if imbalance := describe_imbalance(kept):
        print(f"clean: the classes are imbalanced: {imbalance}; see train_finetune.class_weight")


if __name__ == "__main__":
    run_stage(main)
