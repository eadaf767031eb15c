"""Feature extraction: train a new head alone, in seconds, because the frozen layers have run.

A linear head is fitted as a logistic regression; other heads are trained in epochs with Keras. In
both cases, a cross-validated regression predicts the training images. Reads train/ and validation/
in data/features/, series.json, train_validation.csv and labels.json in data/split/. Params:
`train_extract`, `head`, `hardware`, `model.features`, `model.fine_tune_at`, `clean.several_labels`.
Writes models/head.npz, models/to_tune/ with what fine-tuning starts from, and, in data/,
cross_validation.csv, and cross_validation.json with the choices; metrics/train_extract.json,
plots/history_extract.csv and plots/learning_curve.csv. Run: `python -m stages.train_extract`
"""

import shutil

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import HISTORY, LEARNING_CURVE, SPLIT, columns_of_judged
from pawprint.base.errors import InputError, counted
from pawprint.base.files import read_json, replacing, write_json, write_text
from pawprint.base.folds import FOLDS
from pawprint.base.labels import SEVERAL_LABELS, LabelKind, kind_of
from pawprint.base.tables import read_table, write_table
from pawprint.base.yaml_file import read_mapping
from pawprint.network.cross_validation import (
    CrossValidation,
    Examples,
    cross_validate,
    cross_validate_as,
    learning_curve,
    leave_each_out,
    open_examples,
)
from pawprint.network.new_head import NewHead, learn_head
from pawprint.network.store import StoredExamples, stored_examples
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.data import Clean
from pawprint.pipeline.params.model import Hardware, Head, Model, TrainExtract
from pawprint.scores.label_review import judge
from pawprint.scores.series import (
    compare_folds,
    describe_series,
    significant,
    tabulate_curve,
    with_groups,
)
from pawprint.scores.slices import (
    MIN_PHOTOS,
    SITES,
    describe_sites,
    new_site_interval,
    score_sites,
)


def main() -> None:
    """Write the new head, its scores, and cross-validated predictions of its training images."""
    params = TrainExtract.load()
    head_params = Head.load()
    split = read_table(paths.TRAIN_VALIDATION_CSV, SPLIT)
    images = split[split["split"] == "train"]
    kind = Clean.load().kind
    store = open_store(split, kind)
    class_weight = params.weight_for(images["label"]) if kind.exclusive else None
    examples = open_examples(store, Model.load().features, class_weight)
    # Choose C, features and views, and predict each image by a fit without its group.
    cross_validation = cross_validate(examples)
    head = learn_head(store, examples, cross_validation, params, head_params, Hardware.load())
    is_predicted = ~np.isnan(cross_validation.probabilities).any(axis=1)
    probabilities = cross_validation.probabilities[is_predicted]
    folds = examples.metrics(probabilities, examples.actual[is_predicted])
    metrics = {f"cross_validated_{name}": value for name, value in folds.items()}
    # Would more images help? Do series of photos flatter the accuracy?
    in_curve, fits = learning_curve(examples, cross_validation)
    halved = np.full_like(cross_validation.probabilities, np.nan)
    if fits:  # the largest number of images but one, if there are several
        halved[in_curve] = fits[sorted(fits)[-2:][0]]
    by_strata = images.assign(label=examples.strata)
    by_series = compare_series(by_strata, examples, cross_validation, halved)
    new_sites = measure_sites(by_strata, examples, cross_validation)
    groups = with_groups(images, by_series)["group"].to_numpy()
    curve = tabulate_curve(examples.actual[in_curve], groups[in_curve], fits)
    head.weights.write(paths.HEAD)
    write_to_tune()
    write_json(paths.EXTRACT_METRICS, metrics)
    write_json(paths.CROSS_VALIDATION_JSON, choices(cross_validation) | by_series | new_sites)
    judged = judge(images[is_predicted], probabilities, store.labels, kind)
    write_table(paths.CROSS_VALIDATION_CSV, judged, columns_of_judged(judged))
    write_table(paths.EXTRACT_HISTORY_CSV, head.history, HISTORY)
    write_table(paths.LEARNING_CURVE_CSV, curve, LEARNING_CURVE)
    accuracy = metrics["cross_validated_accuracy"]
    result = describe_head(head, accuracy, len(probabilities))
    alone = images["label"][~is_predicted] if kind.exclusive else labels_of_one_group(images)
    report("train_extract", [result, *describe_not_predicted(alone)])
    if "series" in by_series:
        report("train_extract", [describe_series(by_strata, accuracy, by_series)])
    if new_sites:
        report("train_extract", [describe_sites(new_sites)])


def open_store(split: pd.DataFrame, kind: LabelKind) -> StoredExamples:
    """Return the stored examples of a SPLIT table. Raises InputError if labels are missing."""
    labels: list[str] = read_json(paths.LABELS_JSON)
    if problem := kind.problem_of_labels(labels):
        raise InputError(
            f"labels are missing: {problem}. Label photos with `pawprint app`, then run `dvc repro`"
        )
    return stored_examples(paths.FEATURES, split, labels, kind)


def write_to_tune() -> None:
    """Write the head, the labels and the split for fine-tuning or, without it, always the same.

    DVC then skips the stage train_finetune.
    """
    with replacing(paths.TO_TUNE) as folder:
        folder.mkdir()
        if not Model.load().tunes:
            write_text(folder / "none.txt", "model.fine_tune_at is null.\n")
            return
        for path in (paths.HEAD, paths.LABELS_JSON, paths.TRAIN_VALIDATION_CSV):
            shutil.copy(path, folder / path.name)


def choices(found: CrossValidation) -> dict[str, float]:
    """Return the choices of cross-validation and, if it had one, the change of the log loss."""
    chosen = {"C": found.C, "views": found.views, "blocks": int(found.has_blocks)}
    for name, gain in (("blocks", found.gain), ("views", found.views_gain)):
        if gain is not None:
            chosen |= {f"{name}_loss_change": gain.mean, f"{name}_loss_error": gain.error}
    return chosen


def describe_head(head: NewHead, accuracy: float, images: int) -> str:
    """Return a line about a head, given the accuracy on so many cross-validated images."""
    right = round(accuracy * images)
    in_folds = f"correct on {right:,} of {images:,} cross-validated training images"
    on_validation = f"on {head.validation['accuracy']:.1%} of validation"
    if head.history["epoch"].any():  # a head in epochs is not cross-validated
        return f"{head.method}, correct {on_validation}; by logistic regression, {in_folds}"
    return f"{head.method}, {in_folds}, and {on_validation}"


def labels_of_one_group(images: pd.DataFrame) -> pd.Series:
    """Return the labels whose images are all in one group, once for each of these images."""
    labels = SEVERAL_LABELS.one_per_label(images)
    labels = labels[labels["label"].isin(SEVERAL_LABELS.names_in(images["label"]))]
    return labels["label"][labels.groupby("label")["group"].transform("nunique") == 1]


def describe_not_predicted(labels: pd.Series) -> list[str]:
    """Return a line for each class of images that are not cross-validated."""
    return [
        f"not cross-validated: {counted(number, 'image')} of {name}, because no other training "
        "image or group has this label"
        for name, number in labels.value_counts(sort=False).items()
    ]


def compare_series(
    images: pd.DataFrame, examples: Examples, cross_validation: CrossValidation, halved: np.ndarray
) -> dict:
    """Return the entries of data/cross_validation.json about series that matter, or {}.

    The training images are cross-validated again with each series in one fold. If a class has fewer
    series than there are folds, these fits learn from fewer images. They are then compared with
    `halved`, the probabilities of fits to half of the images.
    """
    compared = {}
    origins = {name: origin for name, origin in read_mapping(paths.SERIES_JSON).items() if origin}
    group_from = origins.pop("group", "")
    origins.pop("crossed", "")  # `measure_sites` leaves out each
    for name in origins:
        groups = with_groups(images, {"series": name})["group"]
        in_series = examples._replace(groups=groups.to_numpy())
        apart = cross_validate_as(cross_validation, in_series).probabilities
        are_few = groups.groupby(images["label"]).nunique().min() < FOLDS
        together = halved if are_few else cross_validation.probabilities
        compared[name] = compare_folds(together, apart, examples.actual, examples.groups)
    entries: dict[str, str | float] = {}
    for name in reversed(significant(compared)):  # of several, the lowest accuracy is told
        entries["group_from"] = group_from
        entries["series"] = name
        entries["series_from"] = origins[name]
        entries["accuracy_by_series"] = compared[name].accuracy
    if entries.get("series") == "series" and "finer_series" in origins:
        entries["finer_series_from"] = origins["finer_series"]
    return entries


def measure_sites(images: pd.DataFrame, examples: Examples, settings: CrossValidation) -> dict:
    """Return the entries of data/cross_validation.json about new sites, or {}.

    The sites are the values of `crossed`, or else the groups, if there are few. Each is predicted
    by a fit to the others, whatever near-duplicates join them.
    """
    crossed = read_mapping(paths.SERIES_JSON).get("crossed", "")
    values = images["crossed" if crossed else "group"]
    counts = values[values != ""].value_counts()
    names = counts.index[counts >= MIN_PHOTOS]
    if len(names) < 2 or len(counts) > max(SITES):
        return {}
    places = pd.Index(names).get_indexer(values)
    probabilities = leave_each_out(examples, settings, places)
    is_predicted = ~np.isnan(probabilities).any(axis=1)
    actual = examples.actual
    kind = kind_of(actual)
    right = kind.are_right(actual[is_predicted], probabilities[is_predicted], actual)
    sites = score_sites(values[is_predicted], right, images["group"][is_predicted])
    if len(sites) < 2:
        return {}
    entries = {"sites_from": crossed or "group", "sites": [site._asdict() for site in sites]}
    return entries | ({"new_site": new_site_interval(sites)} if len(sites) in SITES else {})


if __name__ == "__main__":
    run_stage(main)
