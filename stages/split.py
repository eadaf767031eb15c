"""Label the images and divide them into three sets, so that the model is scored on unseen images.

labels.csv corrects the labels of the source, and exact duplicates are removed. A hash of an image's
content then decides. A group of near-duplicates, or of `split.group` and the column `group`, is in
one split, unless the archive's own splits divide it. Images in splits.csv stay in their split.
Reads images.csv, metadata.csv and rejected.csv in data/clean/, labels.csv and splits.csv. Params:
`split`, `clean.several_labels`, `clean.not_asked`, `model.resize`. Writes data/split/images.csv,
data/split/train_validation.csv, data/split/paths.csv of all usable images, data/split/unknown.csv,
data/split/rejected.csv, data/split/labels.json, which sets the order of the classes everywhere,
data/split/near_duplicates.csv, data/split/series.json, which tells what found each candidate for
series, metrics/split.json, and metrics/classes.csv, which counts the images of each class in each
split. Prints a line if `model.resize: crop` leaves out much of the images. As long as fewer than
two classes have images, all images are for training, and `train_extract` reports that labels are
missing. Run: `python -m stages.split`
"""

import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import (
    CLASSES,
    IMAGES,
    METADATA,
    NEAR_DUPLICATES,
    PATHS,
    REJECTED,
    SERIES,
    SPLIT,
    SPLITS,
    UNKNOWN_IMAGES,
)
from pawprint.base.errors import InputError, counted, name_some
from pawprint.base.files import write_json
from pawprint.base.labels import UNKNOWN, UNLABELLED, LabelKind
from pawprint.base.tables import read_table, write_table
from pawprint.data import labels, splitting
from pawprint.data.series import describe_single, find_candidates
from pawprint.data.unusual import MAX_LEFT_OUT, describe_unusual, find_unusual, left_out
from pawprint.given.folders import describe_alike
from pawprint.given.metadata_csv import describe_crop_rules
from pawprint.given.user_tables import (
    choices_of,
    classes_given,
    describe_kept_splits,
    read_corrections,
    read_kept_splits,
)
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.data import Clean, Split
from pawprint.pipeline.params.model import Model
from pawprint.pipeline.params.section import describe_param_changes
from pawprint.pipeline.recorded import Recorded


def main() -> None:
    """Write the split and print what it depends on."""
    params = Split.load()
    kind = Clean.load().kind
    images, others, rejected = label_images(kind)
    metadata = read_table(paths.METADATA_CSV, METADATA)
    metadata = metadata[metadata["path"].isin(images["path"])]
    crops = describe_crop_rules(metadata, images["path"])
    alike = describe_alike(kind.count(images["label"]))
    report("split", [describe_unusual(find_unusual(images)), crops, alike])
    kept_splits = read_kept_splits(paths.SPLITS_CSV)
    if problem := kind.problem_of_labels(kind.names_in(images["label"])):
        # Until then, all images are for training, so that `features` computes them.
        rows = images.assign(split="train", group=images["path"], **dict.fromkeys(SERIES, ""))
        none = pd.DataFrame(columns=list(NEAR_DUPLICATES))
        write(rows, others, none, {}, kind)
        print(f"split: nothing can be trained yet: {problem}. Label photos with `pawprint app`")
        return
    try:
        rows, near_duplicates, divided_pairs = splitting.split(images, params, kept_splits, kind)
    except InputError:
        if params.use_archive_split and (problem := splitting.describe_copied(images, rejected)):
            raise InputError(f"split: {problem}") from None
        raise
    # Images that can show several labels are sorted by one of them, and count for each.
    by_stratum = rows.assign(label=kind.strata(rows["label"]))
    each = kind.one_per_label(rows)
    of_classes = each[each["label"].isin(kind.names_in(rows["label"]))]
    found = find_candidates(by_stratum, metadata)
    rows = rows.assign(**{name: series for name, (_, series) in found.items()})
    origins = {name: origin for name, (origin, _) in found.items()}
    if (images["group"] != "").any():
        origins["group"] = "metadata.csv"
    counts = write(rows, others, near_duplicates, origins, kind)
    report("split", [", ".join(f"{number:,} {name}" for name, number in counts.items())])
    lines = [
        splitting.describe_keys(images, params),
        *splitting.describe_lacking(of_classes),
        splitting.describe_few(of_classes),
        describe_divided(near_duplicates, divided_pairs),
        splitting.describe_contradictions(near_duplicates),
        splitting.describe_alike(each, kind.one_per_label(near_duplicates)),
        describe_left_out(images),
        describe_groups(rows),
        "" if params.group else describe_single(rows.assign(label=by_stratum["label"])),
        *(f"{paths.SPLITS_CSV}: {line}" for line in describe_kept_splits(rows, kept_splits)),
        describe_unused(params) if kept_splits else "",
    ]
    report("split", lines)


def label_images(kind: LabelKind) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the images of classes, the PATHS of other usable ones, and the REJECTED table.

    Writes the last two: the app shows unlabelled images even if the others cannot be divided.
    """
    images = read_table(paths.IMAGES_CSV, IMAGES)
    unusable = read_table(paths.CLEAN_REJECTED_CSV, REJECTED)
    classes = labels.source_classes(images, unusable, kind)
    files = {*images["path"], *unusable["path"]}
    not_asked = Clean.load().not_asked
    choices = choices_of(images["label"], classes, not_asked, kind)
    corrections = read_corrections(paths.LABELS_CSV, files, choices, kind)
    if not classes:
        classes_given(corrections, kind)  # they may not be names of classes
    usable, rejected, not_applied = labels.apply_labels(
        images, unusable, corrections, kind, not_asked
    )
    write_table(paths.REJECTED_CSV, rejected, REJECTED)
    write_json(paths.SPLIT_METRICS, {"rejected": len(rejected)})
    unknown = usable[usable["label"] == UNKNOWN].assign(split=UNKNOWN)
    write_table(paths.UNKNOWN_CSV, unknown, UNKNOWN_IMAGES)
    others = pd.concat([unknown, usable[usable["label"] == ""].assign(split=UNLABELLED)])
    write_table(paths.PATHS_CSV, others, PATHS)
    number = len(corrections)
    report("split", labels.describe_conflicts(images, corrections))
    report("split", labels.describe_labels(images, usable, rejected, number, not_applied, kind))
    if not kind.exclusive:
        report("split", labels.describe_overruled(images, corrections, not_asked))
        report("split", labels.describe_not_known(usable["label"], not_asked))
    return usable.drop(others.index), others[list(PATHS)], rejected


def write(
    rows: pd.DataFrame,
    others: pd.DataFrame,
    near_duplicates: pd.DataFrame,
    origins: dict,
    kind: LabelKind,
) -> dict[str, int]:
    """Write all outputs and return how many images each split has.

    `others` are the PATHS of images without a class, and `origins` is SERIES_JSON.
    """
    counts = rows["split"].value_counts().reindex(SPLITS, fill_value=0).to_dict()
    write_table(paths.SPLIT_CSV, rows, SPLIT)
    # With a separate table, changing a test image does not rerun training.
    write_table(paths.TRAIN_VALIDATION_CSV, rows[rows["split"] != "test"], SPLIT)
    # Input of `features`, without labels.
    write_table(paths.PATHS_CSV, pd.concat([rows, others]), PATHS)
    write_json(paths.LABELS_JSON, sorted(kind.names_in(rows["label"])))
    write_json(paths.SERIES_JSON, origins)
    write_table(paths.NEAR_DUPLICATES_CSV, near_duplicates, NEAR_DUPLICATES)
    each = kind.one_per_label(rows)
    classes = pd.crosstab(each["label"], each["split"]).reindex(columns=SPLITS, fill_value=0)
    write_table(paths.CLASSES_CSV, classes.reset_index(), CLASSES)
    return counts


def describe_divided(near_duplicates: pd.DataFrame, pairs: int) -> str:
    """Return a line about pairs of near-duplicates in different splits, or "" without any."""
    found = f"{len(near_duplicates):,} near-duplicates, {counted(pairs, 'pair')} of them"
    return f"{found} in different splits; see {paths.NEAR_DUPLICATES_CSV}" if pairs else ""


def describe_unused(params: Split) -> str:
    """Return a line about params that have changed, but move no image in splits.csv, or ""."""
    before = Recorded().params("split").get("split")
    now = params.model_dump(include={"seed", "validation_fraction", "test_fraction"})
    changed = describe_param_changes(before, before | now) if isinstance(before, dict) else []
    what = f"no image in {paths.SPLITS_CSV} moves. To draw the splits again, remove its rows"
    return f"split.{', split.'.join(changed)}: {what}" if changed else ""


def describe_left_out(images: pd.DataFrame) -> str:
    """Return a line about how much `model.resize: crop` leaves out, or "" if it is little."""
    out = left_out(images["width"], images["height"])
    if Model.load().resize != "crop" or out <= MAX_LEFT_OUT:
        return ""
    return (
        f"model.resize: crop leaves out {out:.0%} of the median image. If this part may be "
        "relevant, use stretch or pad; `pawprint try` measures both"
    )


def describe_groups(rows: pd.DataFrame) -> str:
    """Return a line about groups that are divided between splits, or "" if there are none."""
    groups = splitting.divided_groups(rows)
    why = "because the archive's splits stay as they are"
    together = f"photos that belong together are in several splits, {why}"
    return f"{together}: {name_some(groups)}" if groups else ""


if __name__ == "__main__":
    run_stage(main)
