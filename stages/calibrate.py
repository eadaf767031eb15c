"""Fit temperature and thresholds; write the served model.

Reads detector.npz, train.npz and validation.npz in data/outputs/, labels.json and
train_validation.csv in data/split/, models/extractor/ and models/network/. Params: `calibrate`,
`augment`, `clean.bits`, `model.resize`. Writes models/served/.
Run: `python -m stages.calibrate`
"""

from collections.abc import Iterator

import numpy as np

from pawprint import project
from pawprint.errors import InputError
from pawprint.files import read_labels
from pawprint.images.formats import side_for
from pawprint.model.calibration import (
    calibrate,
    choose_unknown_threshold,
    describe_found,
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
    """Write the served model, and print what is fitted."""
    params = Calibrate.load()
    labels = read_labels(project.LABELS_JSON)
    if problem := problem_of_threshold(params, labels):
        raise InputError(f"params.yaml: {problem}")
    validation = Outputs.read(project.OUTPUTS / "validation.npz")
    split = read_table(project.TRAIN_VALIDATION_CSV, SPLIT)
    groups = independent(split)[split["split"] == "validation"].to_numpy()
    temperature, thresholds = calibrate(params, labels, validation.actual, validation.logits)
    detector = None if params.unknown_quantile is None else read_detector(project.OUTPUTS)
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
        unknown_threshold=unknown_threshold(params, validation),
    )
    probabilities = to_probabilities(validation.logits, temperature)
    predicted = metadata.classes(probabilities)
    predictions = Predictions(validation.actual, probabilities, predicted, labels, groups=groups)
    if params.max_error is not None:
        confidence = probabilities[np.arange(len(predicted)), predicted]
        is_wrong = predicted != validation.actual
        lowest = choose_min_confidence(confidence, is_wrong, groups, params.max_error)
        metadata = metadata.model_copy(update={"min_confidence": lowest})
    is_mirrored = Augment.load().is_mirrored
    write_served_model(network, metadata, detector, project.SERVED_MODEL, is_mirrored=is_mirrored)
    seen = "an image and its mirror image" if is_mirrored else "an image"
    lines = [
        f"temperature {temperature:g}; the served model sees {seen}",
        *describe_unknown(metadata, validation.unknown_scores),
        *describe_decided(params, metadata, predictions),
        *describe_thresholds(params, metadata, predictions),
    ]
    for line in lines:
        print(f"calibrate: {line}")


def unknown_threshold(params: Calibrate, validation: Outputs) -> float | None:
    """Return the unknown score above which an image is called unknown; None if none is."""
    if params.unknown_quantile is None:
        return None
    train = Outputs.read(project.OUTPUTS / "train.npz").unknown_scores
    scores = np.concatenate([train[~np.isnan(train)], validation.unknown_scores])
    return choose_unknown_threshold(scores, params.unknown_quantile)


def describe_unknown(metadata: Metadata, scores: np.ndarray) -> Iterator[str]:
    """Yield a line on the threshold of unknown images, with the `scores` of validation images."""
    if metadata.unknown_threshold is not None:
        unknown = (scores > metadata.unknown_threshold).sum()
        yield (
            f"unknown above a score of {metadata.unknown_threshold:.4g}: {unknown:,} of "
            f"{len(scores):,} validation images"
        )


def describe_decided(
    params: Calibrate, metadata: Metadata, predictions: Predictions
) -> Iterator[str]:
    """Yield a line on how many validation images are decided, if some errors are too many."""
    if params.max_error is None:
        return
    is_decided = metadata.are_decided(predictions.probabilities)
    is_wrong = predictions.predicted != predictions.actual
    yield (
        f"{is_decided.sum():,} of {len(is_wrong):,} validation images are decided, from a "
        f"confidence of {metadata.min_confidence:g} on; {is_wrong[is_decided].sum():,} of them are "
        f"wrong, at most {params.max_error:.2%} by a one-sided {1 - LEVEL:.0%} interval"
    )


def describe_thresholds(
    params: Calibrate, metadata: Metadata, predictions: Predictions
) -> Iterator[str]:
    """Yield lines on each class with a threshold: what is found in validation, and warnings."""
    scores = tabulate_scores(predictions, CONFIDENCE)
    before = predictions.probabilities.argmax(axis=-1)
    recalls = params.recall if isinstance(params.recall, dict) else {}
    for label, threshold in metadata.thresholds.items():
        index = metadata.labels.index(label)
        counts = describe_found(predictions.actual, predictions.predicted, before, index)
        yield f"{label} from {threshold:.4g} on: {counts} of validation"
        title = f"validation {label}:"
        yield describe_fractions(title, OF_A_CLASS, scores, CONFIDENCE, label)
        wished = recalls.get(label, 0)
        rows = scores[(scores["label"] == label) & (scores["score"] == "recall")]
        for row in rows[["value", "low", "high", "images"]].itertuples(index=False):
            if warning := describe_recall(label, wished, *row):
                yield warning


if __name__ == "__main__":
    run_stage(main)
