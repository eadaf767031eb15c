"""Assign every usable image to training, validation or test, by a hash of what it shows.

Images that look alike form a group, and a group is in one split. Reads data/clean/images.csv.
Params: `split`. Writes data/split/images.csv, data/split/near_duplicates.csv and
metrics/split.json. Run: `python -m stages.split`
"""

from pawprint.core import paths
from pawprint.core.files import read_csv, write_csv, write_json
from pawprint.core.params import load_params
from pawprint.dataset.splitting import SPLITS, count, split

COLUMNS = ["path", "label", "split"]
NEAR_DUPLICATE_COLUMNS = [
    "group", "path", "label", "archive_split", "split", "nearest", "distance",
]  # fmt: skip


def main() -> None:
    params = load_params()
    rows, listed, moved = split(read_csv(paths.CLEAN_IMAGES), params.split)
    counts = count(rows, listed, moved)
    write_csv(paths.SPLIT_IMAGES, COLUMNS, rows)
    write_csv(paths.NEAR_DUPLICATES, NEAR_DUPLICATE_COLUMNS, listed)
    write_json(paths.SPLIT_METRICS, counts)
    print(
        "split: "
        + ", ".join(f"{counts[name]['total']:,} {name}" for name in SPLITS)
        + f"; {len(listed):,} near-duplicates"
    )


if __name__ == "__main__":
    main()
