"""Assign every usable image to training, validation or test, by a hash of its content.

A group of near-duplicates, or of `split.group`, is in one split, unless the archive's own splits
divide it. Reads data/clean/images.csv. Params: `split`. Writes
data/split/images.csv, data/split/near_duplicates.csv and metrics/split.json.
Run: `python -m stages.split`
"""

from pawprint.core import data_paths
from pawprint.core.data_tables import IMAGES, NEAR_DUPLICATES, SPLIT, SPLITS
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.params.split import Split
from pawprint.core.tables import read_table, write_table
from pawprint.dataset.splitting import split
from pawprint.reports.counts import divided_groups


def main() -> None:
    params = Split.load()
    images = read_table(data_paths.CLEAN_IMAGES, IMAGES)
    rows, listed, divided_pairs = split(images, **dict(params))
    counts = rows["split"].value_counts().loc[list(SPLITS)].to_dict()
    write_table(data_paths.SPLIT_IMAGES, rows, SPLIT)
    write_table(data_paths.NEAR_DUPLICATES, listed, NEAR_DUPLICATES)
    write_json(data_paths.SPLIT_METRICS, counts | {"near_pairs_across_splits": divided_pairs})
    print("split: " + ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    if len(listed):
        print(
            f"split: {len(listed):,} near-duplicates, {divided_pairs:,} pairs of them in different "
            f"splits; see {data_paths.NEAR_DUPLICATES}"
        )
    if divided := divided_groups(rows):
        print(
            f"split: {divided:,} groups are divided, because the archive's splits stay as they are"
        )


if __name__ == "__main__":
    run_stage(main)
