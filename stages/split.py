"""Assign every usable image to training, validation or test, by a hash of its content.

Images that look alike form a group. A group is in one split, apart from images of the archive's
test split, which stay there. Reads data/clean/images.csv. Params: `split`. Writes
data/split/images.csv, data/split/near_duplicates.csv and metrics/split.json.
Run: `python -m stages.split`
"""

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.params.split import Split
from pawprint.core.tables import IMAGES, NEAR_DUPLICATES, SPLIT, SPLITS, read_table, write_table
from pawprint.dataset.splitting import split
from pawprint.reports.counts import divided_groups


def main() -> None:
    params = Split.load()
    images = read_table(paths.CLEAN_IMAGES, IMAGES)
    rows, listed = split(images, **dict(params))
    counts = rows["split"].value_counts().loc[list(SPLITS)].to_dict()
    write_table(paths.SPLIT_IMAGES, rows, SPLIT)
    write_table(paths.NEAR_DUPLICATES, listed, NEAR_DUPLICATES)
    write_json(paths.SPLIT_METRICS, counts)
    print(
        "split: "
        + ", ".join(f"{number:,} {name}" for name, number in counts.items())
        + f"; {len(listed):,} near-duplicates, of which {listed['moved'].sum():,} moved"
    )
    if divided := divided_groups(listed):
        print(
            f"split: {divided:,} groups of near-duplicates are in test and in another split, "
            f"because the archive's test split stays as it is; see {paths.NEAR_DUPLICATES}"
        )


if __name__ == "__main__":
    run_stage(main)
