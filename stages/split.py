"""Assign every usable image to training, validation or test, by a hash of its content.

A group of near-duplicates, or of `split.group`, is in one split, unless the archive's own splits
divide it. Images in splits.csv stay in their split. Reads data/clean/images.csv,
data/clean/metadata.csv and splits.csv. Params: `split`. Writes data/split/images.csv,
data/split/train_validation.csv, data/split/paths.csv, data/split/labels.json, which has the order
of the classes everywhere, data/split/near_duplicates.csv and metrics/split.json. Says which images
are in another split than in the last commit, by Git and DVC's cache. As long as fewer than two
classes have images, all are for training, and `train_extract` says that labels are missing.
Run: `python -m stages.split`
"""

import pandas as pd

from pawprint import project
from pawprint.classes import problem_of_labels
from pawprint.columns import IMAGES, METADATA, NEAR_DUPLICATES, PATHS, SPLIT, SPLITS
from pawprint.dataset import splitting
from pawprint.dataset.changes import NOT_KNOWN, Images, describe_moves, find_changes
from pawprint.dataset.kept_splits import describe_kept_splits
from pawprint.dataset.user_tables import read_kept_splits
from pawprint.files import md5, write_json
from pawprint.params.data import Split
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.recorded import last_commit
from pawprint.tables import read_table, write_table


def main() -> None:
    params = Split.load()
    images = read_table(project.IMAGES_CSV, IMAGES)
    kept_splits = read_kept_splits(project.SPLITS_CSV)
    if problem := problem_of_labels(images["label"].unique()):
        write(*splitting.leave_undivided(images))
        print(f"split: labels are missing: {problem}. Label photos with `pawprint app`")
        return
    dates = None
    if params.date:
        dates = splitting.read_dates(
            images, read_table(project.METADATA_CSV, METADATA), params.date
        )
    rows, near_duplicates, divided_pairs = splitting.split(images, params, kept_splits, dates)
    counts = write(rows, near_duplicates, divided_pairs)
    print("split: " + ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    if params.date:
        print(f"split: {splitting.describe_dates(rows, dates, params.date)}")
    uses_archive = params.use_archive_split and not params.date
    archive_split = rows["archive_split"] if uses_archive else ""
    for line in splitting.describe_completed(rows.assign(archive_split=archive_split)):
        print(f"split: {line}")
    if few := splitting.describe_few(rows):
        print(f"split: {few}")
    if divided_pairs:
        print(
            f"split: {len(near_duplicates):,} near-duplicates, {divided_pairs:,} pairs of them in "
            f"different splits; see {project.NEAR_DUPLICATES_CSV}"
        )
    if groups := splitting.divided_groups(rows):
        why = f"{params.date} decides" if params.date else "the archive's splits stay as they are"
        print(f"split: {groups:,} groups are divided, because {why}")
    is_given = params.date or (uses_archive and images["archive_split"].isin(SPLITS[1:]).any())
    fractions = {name: getattr(params, f"{name}_fraction") for name in SPLITS[1:]}
    for line in describe_kept_splits(rows, kept_splits, {} if is_given else fractions):
        print(f"split: {project.SPLITS_CSV}: {line}")
    rules = splitting.find_rules(rows, kept_splits, params.use_archive_split or dates is not None)
    if moves := describe_moves_since_commit(rows, rules, params):
        print(f"split: {moves}")


def write(rows: pd.DataFrame, near_duplicates: pd.DataFrame, divided_pairs: int) -> dict[str, int]:
    """Write all outputs. Returns how many images each split has."""
    counts = rows["split"].value_counts().reindex(SPLITS, fill_value=0).to_dict()
    write_table(project.SPLIT_CSV, rows, SPLIT)
    # A table of its own, so that a changed test image trains nothing again.
    write_table(project.TRAIN_VALIDATION_CSV, rows[rows["split"] != "test"], SPLIT)
    write_table(project.PATHS_CSV, rows, PATHS)  # for features, which no label changes
    write_json(project.LABELS_JSON, sorted(rows["label"].unique()))
    write_table(project.NEAR_DUPLICATES_CSV, near_duplicates, NEAR_DUPLICATES)
    write_json(project.SPLIT_METRICS, counts | {"near_pairs_across_splits": divided_pairs})
    return counts


def describe_moves_since_commit(rows: pd.DataFrame, rules: pd.Series, params: Split) -> str:
    """Return a line on the images in another split than in the last commit, or "" for none.

    `rules` are those that decided on the rows.
    """
    commit = last_commit()
    if commit.hash_of("split", project.SPLIT_CSV) in (None, md5(project.SPLIT_CSV)):
        return ""
    before = commit.table("split", project.SPLIT_CSV, SPLIT)
    if before is None:
        return f"which photos moved since the last commit is {NOT_KNOWN}"
    changes = find_changes(Images(before), Images(rows))
    recorded = commit.params("split").get("split")
    causes = [
        f"split.{name}"
        for name, value in params.model_dump().items()
        if isinstance(recorded, dict) and recorded.get(name, value) != value
    ]
    if commit.hash_of("split", project.SPLITS_CSV, "deps") != md5(project.SPLITS_CSV):
        causes.append(str(project.SPLITS_CSV))
    moved = changes[changes["kind"] == "moved"]
    return describe_moves(moved, rules.set_axis(rows["path"]), causes)


if __name__ == "__main__":
    run_stage(main)
