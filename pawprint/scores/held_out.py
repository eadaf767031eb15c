"""The scores of a split, from what the network gives for its images."""

from typing import NamedTuple

import pandas as pd

from pawprint.classes import to_probabilities
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Outputs
from pawprint.scores import metrics
from pawprint.scores.decided import tabulate_decided
from pawprint.tables import tabulate


class Evaluation(NamedTuple):
    """Of a split. `scores`, `reliability`, `roc` and `decided` have the columns of the tables of
    these names, without `split`. `predictions` is a table PREDICTIONS. `images` has a row for each
    image: those of the split table, `correct`, `refused` as unknown, and `confidence`, the
    probability of the predicted class.
    """

    scores: pd.DataFrame
    reliability: pd.DataFrame
    roc: pd.DataFrame
    decided: pd.DataFrame
    predictions: pd.DataFrame
    images: pd.DataFrame


def evaluate(
    rows: pd.DataFrame, outputs: Outputs, metadata: Metadata, confidence: float
) -> Evaluation:
    """Evaluate the served model on the images of a split, `rows` of a table SPLIT.

    The images of a group count as one in the intervals.
    """
    actual, labels, threshold = outputs.actual, metadata.labels, metadata.unknown_threshold
    logits, unknown_scores = outputs.means(metadata.test_time_augmentation)
    probabilities = to_probabilities(logits, metadata.temperature)
    predicted = metadata.classes(probabilities)
    is_unknown = None if threshold is None else unknown_scores > threshold
    score_column = None if threshold is None else unknown_scores
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    confidence_of = probabilities[range(len(rows)), predicted]
    predictions = metrics.Predictions(
        actual, probabilities, predicted, labels, is_unknown, rows["group"].to_numpy(), is_decided
    )
    return Evaluation(
        metrics.tabulate_scores(predictions, confidence),
        metrics.tabulate_reliability(actual, probabilities, labels, confidence),
        metrics.tabulate_roc(actual, probabilities, labels),
        tabulate_decided(confidence_of, predicted != actual),
        tabulate(rows, probabilities, predicted, labels, score_column),
        rows.assign(
            correct=predicted == actual,
            refused=False if is_unknown is None else is_unknown,
            confidence=confidence_of,
        ),
    )
