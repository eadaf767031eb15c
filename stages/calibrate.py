"""Fit temperature and thresholds; write the served model.

Reads detector.npz, train.npz and validation.npz in data/outputs/, labels.json and
train_validation.csv in data/split/, models/extractor/ and models/network/. Params: `calibrate`,
`augment`, `clean.bits`, `model.resize`. Writes models/served/.
Run: `python -m stages.calibrate`
"""

import numpy as np

from pawprint import project
from pawprint.errors import InputError
from pawprint.files import read_json
from pawprint.images.formats import side_for
from pawprint.model.calibration import (
    calibrate,
    choose_unknown_threshold,
    describe_counts,
    describe_recall,
    read_detector,
)
from pawprint.model.metadata import Metadata, Outputs, to_probabilities
from pawprint.model.served_model import join, write_served_model
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Calibrate, Model, problem_of_threshold
from pawprint.pipeline.entry import run_stage
from pawprint.project import SPLIT
from pawprint.runtime import read_network
from pawprint.scores.metrics import OF_A_CLASS, Predictions, describe_fractions, tabulate_scores
from pawprint.scores.predictions import LEVEL, choose_min_confidence
from pawprint.scores.shift import independent
from pawprint.tables import read_table

CONFIDENCE = 0.95  # of the intervals of recall and precision


def main() -> None:
    params, labels = Calibrate.load(), read_json(project.LABELS_JSON)
    if problem := problem_of_threshold(params, labels):
        raise InputError(f"params.yaml: {problem}")
    validation = Outputs.read(project.OUTPUTS / "validation.npz")
    split = read_table(project.TRAIN_VALIDATION_CSV, SPLIT)
    groups = independent(split)[split["split"] == "validation"].to_numpy()
    actual, logits, unknown_scores = validation
    temperature, thresholds = calibrate(params, labels, actual, logits)
    detector, unknown_threshold = None, None
    if params.unknown_quantile is not None:
        detector = read_detector(project.OUTPUTS)
        train_scores = Outputs.read(project.OUTPUTS / "train.npz").unknown_scores
        scores = np.concatenate([train_scores[~np.isnan(train_scores)], unknown_scores])
        unknown_threshold = choose_unknown_threshold(scores, params.unknown_quantile)
    network = join(read_network(project.EXTRACTOR), read_network(project.NETWORK))
    size = network.input().partial_shape[1].get_length()
    metadata = Metadata(
        labels=labels,
        image_size=size,
        resize=Model.load().resize,
        bits=Clean.load().bits,
        decoded_side=side_for(size),
        temperature=temperature,
        thresholds=thresholds,
        unknown_threshold=unknown_threshold,
    )
    probabilities = to_probabilities(logits, temperature)
    predicted, before = metadata.classes(probabilities), probabilities.argmax(axis=-1)
    is_wrong = predicted != actual
    if params.max_error is not None:
        confidence = probabilities[np.arange(len(actual)), predicted]
        lowest = choose_min_confidence(confidence, is_wrong, groups, params.max_error)
        metadata = metadata.model_copy(update={"min_confidence": lowest})
    is_mirrored = Augment.load().is_mirrored
    write_served_model(network, metadata, detector, project.SERVED_MODEL, is_mirrored=is_mirrored)
    what = "an image and its mirror image" if is_mirrored else "an image"
    print(f"calibrate: temperature {temperature:g}; the served model sees {what}")
    if params.max_error is not None:
        is_decided = metadata.are_decided(probabilities)
        print(
            f"calibrate: {is_decided.sum():,} of {len(actual):,} validation images are decided, "
            f"from a confidence of {metadata.min_confidence:g} on; {is_wrong[is_decided].sum():,} "
            f"of them are wrong, at most {params.max_error:.2%} by a one-sided {1 - LEVEL:.0%} "
            "interval"
        )
    predictions = Predictions(actual, probabilities, predicted, labels, groups=groups)
    scores = tabulate_scores(predictions, CONFIDENCE)
    for label, threshold in thresholds.items():
        counts = describe_counts(actual, predicted, before, labels.index(label))
        print(f"calibrate: {label} from {threshold:.4g} on: {counts} of validation")
        of_class = f"validation {label}:", OF_A_CLASS, scores, CONFIDENCE, label
        print(f"calibrate: {describe_fractions(*of_class)}")
        wished = (params.recall or {}).get(label, 0)
        rows = scores[(scores["label"] == label) & (scores["score"] == "recall")]
        for row in rows[["value", "low", "high", "images"]].itertuples(index=False):
            if warning := describe_recall(label, wished, *row):
                print(f"calibrate: {warning}")


if __name__ == "__main__":
    run_stage(main)
