"""Predict images that the model has not seen, measure how good it is, and write it for use.

Temperature and thresholds are fitted on validation images. The served model predicts validation and
test images from the outputs of the network, which `predict` wrote. Labels are listed for review if
near-duplicates have different labels, or if a label has a low probability, according to
cross-validation for training images and to the model for all others. Images whose label somebody
gave or confirmed one by one are not listed. Reads data/outputs/, images.csv, labels.json and
near_duplicates.csv and unknown.csv in data/split/, data/cross_validation.csv and .json, labels.csv,
data/clean/metadata.csv, models/extractor/, models/network/ and models/network.json. Params:
`calibrate`, `clean.bits`, `clean.several_labels`, `model.fine_tune_at`, `model.resize`, and
`class_weight` of `train_extract` and `train_finetune`. Writes models/served/,
data/probabilities.csv of test images, data/probabilities_validation.csv, metrics/evaluate.json,
plots/scores.csv, plots/reliability.csv, plots/roc.csv, plots/decided.csv,
plots/labels_to_review.csv, and the predictions that Git keeps, plots/predictions.csv and
plots/predictions_validation.csv. Run: `python -m stages.evaluate`
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from pawprint.base import columns, paths
from pawprint.base.errors import InputError
from pawprint.base.files import parse_file, read_json, write_json
from pawprint.base.labels import UNKNOWN, LabelKind, names_one
from pawprint.base.runtime import image_size_of, read_network
from pawprint.base.tables import read_table, write_table
from pawprint.base.yaml_file import read_mapping
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.given.metadata_csv import crop_rule_of
from pawprint.given.user_tables import reviewed_images
from pawprint.model.metadata import LabelMetadata, Metadata
from pawprint.model.outputs import Logits
from pawprint.model.served_model import join, write_served_model
from pawprint.model.unknown_score import read_detector
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.data import Clean
from pawprint.pipeline.params.model import Calibrate, Model, load_params, problem_of_threshold
from pawprint.scores import metrics
from pawprint.scores.calibration import describe_rules, fit_rules, predict, tabulate_decided
from pawprint.scores.label_review import describe_listed, judge, list_suspects, without_weights
from pawprint.scores.label_rows import split_labels
from pawprint.scores.prediction_table import (
    parse_judged,
    probabilities_in,
    tabulate,
    with_image,
    write_probabilities,
)
from pawprint.scores.series import with_groups

HELD_OUT = ("validation", "test")


def main() -> None:
    """Write the served model, and its scores on validation and test images."""
    choices = read_mapping(paths.CROSS_VALIDATION_JSON)
    split = with_groups(read_table(paths.SPLIT_CSV, columns.SPLIT), choices)
    keys = {name: split["pixels_sha256"][split["split"] == name] for name in HELD_OUT}
    outputs = {
        name: Logits.read(paths.OUTPUTS / f"{name}.npz", keys.get(name))
        for name in (columns.TRAIN, *HELD_OUT, UNKNOWN)
    }
    metadata = write_model(split, outputs)
    write_scores(split, outputs, metadata)


def write_model(split: pd.DataFrame, outputs: dict[str, Logits]) -> Metadata:
    """Write the served model with rules fitted on validation and print them. Returns the rules.

    `split` is the SPLIT table, and `outputs` are keyed by split. Test images are not used.
    """
    params = Calibrate.load()
    labels: list[str] = read_json(paths.LABELS_JSON)
    clean = Clean.load()
    if problem := problem_of_threshold(params, labels, clean.kind):
        raise InputError(f"{paths.PARAMS}: {problem}")
    groups = split.loc[split["split"] == "validation", "group"].to_numpy()
    network = join(read_network(paths.EXTRACTOR), read_network(paths.NETWORK))
    size = image_size_of(network)
    shown = clean.kind.encode(split["label"][split["split"] == columns.TRAIN], labels)
    of_kind: Callable[..., Metadata] = Metadata
    if not clean.kind.exclusive:
        of_kind = partial(LabelMetadata, at_least_one=names_one(shown))
    metadata = of_kind(
        labels=labels,
        image_size=size,
        resize=Model.load().resize,
        bits=clean.bits,
        decoded_side=decoded_side(size),
        crop_rule=crop_rule_of(read_table(paths.METADATA_CSV, columns.METADATA), split["path"]),
        temperature=1,
    )
    validation = outputs["validation"]
    metadata = fit_rules(params, metadata, validation, outputs["train"].unknown_scores, groups)
    is_mirrored = read_mapping(paths.NETWORK_JSON)["is_mirrored"]
    detector = None if params.unknown_quantile is None else read_detector(paths.OUTPUTS)
    write_served_model(network, metadata, detector, paths.SERVED_MODEL, is_mirrored=is_mirrored)
    predicts = "predicts each image once"
    if is_mirrored:
        predicts = "averages its predictions for an image and its mirror image"
    report("evaluate", [f"temperature {metadata.temperature:g}; the served model {predicts}"])
    report("evaluate", describe_rules(params, metadata, validation, groups))
    return metadata


def write_scores(split: pd.DataFrame, outputs: dict[str, Logits], metadata: Metadata) -> None:
    """Write scores and predictions for both splits, given the outputs by split; print results.

    The rules are fitted on validation, so only the scores on test are unbiased.
    """
    rows = {name: split[split["split"] == name] for name in HELD_OUT}
    predictions = {
        name: predict(metadata, outputs[name], rows[name]["group"].to_numpy()) for name in HELD_OUT
    }
    tables = {
        name: tabulate_images(rows[name], outputs[name], predictions[name]) for name in HELD_OUT
    }
    write_predictions(tables, metadata.kind)
    near_duplicates = read_table(paths.NEAR_DUPLICATES_CSV, columns.NEAR_DUPLICATES)
    apart = metrics.measure_apart(tables["test"], near_duplicates)
    of_unknown, of_known = (outputs[name].unknown_scores for name in (UNKNOWN, "test"))
    images = read_table(paths.UNKNOWN_CSV, columns.UNKNOWN_IMAGES)
    own = images["group"].mask(images["group"] == "", images["pixels_sha256"])
    groups = np.append(own, predictions["test"].groups)
    unknown = metrics.measure_unknown(of_unknown, of_known, metadata.unknown_threshold, groups)
    scores_of = {name: metrics.tabulate_scores(of_split) for name, of_split in predictions.items()}
    of_test = pd.concat([scores_of["test"], apart, unknown])
    validation = scores_of["validation"].assign(split="validation")
    scores = pd.concat([validation, of_test.assign(split="test")]).astype(columns.SCORES)
    write_table(paths.SCORES_CSV, scores, columns.SCORES)
    write_json(paths.EVALUATE_METRICS, metrics.summarize(scores))
    write_curves(predictions)
    suspects = find_suspects(tables, near_duplicates, split, metadata.kind)
    of_kind = columns.to_review(exclusive=metadata.exclusive)
    write_table(paths.LABELS_TO_REVIEW_CSV, suspects, of_kind)
    report("evaluate", describe_decisions(scores_of["test"], metadata))
    if len(apart):
        correct = f"correct on {apart['value'].iloc[0]:.2%} of {apart['images'].iloc[0]:,}"
        report("evaluate", [f"{correct} test images without near-duplicates in other splits"])
    if len(unknown):
        refused = f"flagged {unknown['value'].iloc[0]:.2%} of {unknown['images'].iloc[0]:,}"
        report("evaluate", [f"{refused} unknown images as unknown"])
    right = " and ".join(
        f"{table['correct'].sum():,} of {len(table):,} {name}" for name, table in tables.items()
    )
    report("evaluate", [f"correct on {right} images; {describe_listed(suspects)}"])


def tabulate_images(
    rows: pd.DataFrame, outputs: Logits, predictions: metrics.Predictions
) -> pd.DataFrame:
    """Return the tables PROBABILITIES and PREDICTED_CLASSES in one, for rows of a SPLIT table.

    Additional columns are `group` and `correct`.
    """
    unknown_scores = None if predictions.is_unknown is None else outputs.unknown_scores
    return with_image(tabulate(rows, predictions, unknown_scores)).assign(
        loss=predictions.losses, group=rows["group"].array, correct=predictions.is_right
    )


def write_predictions(tables: dict[str, pd.DataFrame], kind: LabelKind) -> None:
    """Write the probabilities and the predicted classes, given the tables by split."""
    for name, table in tables.items():
        write_probabilities(paths.PROBABILITIES_CSV[name], table)
        table = table if kind.exclusive else split_labels(table)
        write_table(paths.PREDICTED_CLASSES_CSV[name], table, columns.PREDICTED_CLASSES)


def write_curves(predictions: dict[str, metrics.Predictions]) -> None:
    """Write the reliability of both splits, and the ROC and the decided images of test."""
    reliability = [
        metrics.tabulate_reliability(each).assign(split=name) for name, each in predictions.items()
    ]
    write_table(paths.RELIABILITY_CSV, pd.concat(reliability), columns.RELIABILITY)
    test = predictions["test"]
    roc = metrics.tabulate_roc(test)
    write_table(paths.ROC_CSV, roc, columns.ROC)
    decided = tabulate_decided(test.confidence, ~test.is_right)
    write_table(paths.DECIDED_CSV, decided, columns.DECIDED)


def describe_decisions(scores: pd.DataFrame, metadata: Metadata) -> Iterator[str]:
    """Yield lines about classes with a threshold and about decided images, of test."""
    for label in metadata.thresholds:
        yield metrics.describe_fractions(f"test {label}:", metrics.OF_A_CLASS, scores, label)
    if metadata.min_confidence is not None:
        yield metrics.describe_fractions("test", metrics.OF_DECIDED, scores)


def find_suspects(
    tables: dict[str, pd.DataFrame],
    near_duplicates: pd.DataFrame,
    split: pd.DataFrame,
    kind: LabelKind,
) -> pd.DataFrame:
    """Return the LABELS_TO_REVIEW table; `tables` has PROBABILITIES by split.

    `split` is the SPLIT table.
    """
    judged = [parse_file(paths.CROSS_VALIDATION_CSV, parse_judged).assign(split="train")]
    for name, table in tables.items():
        images = table.rename(columns={"actual": "label"})
        labels = columns.predicted_labels(table)
        of_split = judge(images, probabilities_in(table), labels, kind)
        judged.append(of_split.assign(split=name))
    if kind.exclusive:
        of_training = split["label"][split["split"] == columns.TRAIN]
        params = load_params()
        last = params.train_finetune if params.model.tunes else params.train_extract
        for number, phase in enumerate([params.train_extract] + [last] * len(tables)):
            if phase.weight_for(of_training) == "balanced":
                judged[number] = without_weights(judged[number], Counter(of_training))
    reviewed = reviewed_images(paths.LABELS_CSV)
    rows = near_duplicates[near_duplicates["contradicts"] != ""]
    every = pd.concat(judged)
    every = every.assign(group=every["path"].map(split.set_index("path")["group"]))
    pairs = [*zip(rows["path"], rows["contradicts"])]
    return list_suspects(every, reviewed, pairs, Clean.load().not_asked)


if __name__ == "__main__":
    run_stage(main)
