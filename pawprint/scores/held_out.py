"""The scores of a split, from what the network gives for its images."""

from typing import NamedTuple

import pandas as pd

from pawprint.columns import UNKNOWN_SCORE
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Outputs, to_probabilities
from pawprint.scores import metrics
from pawprint.scores.decided import tabulate_decided
from pawprint.tables import probabilities_in, tabulate


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
    labels = metadata.labels
    actual, logits, unknown_scores = outputs
    probabilities = to_probabilities(logits, metadata.temperature)
    predicted = metadata.classes(probabilities)
    unknown_scores = None if metadata.unknown_threshold is None else unknown_scores
    table = tabulate(rows, probabilities, predicted, labels, unknown_scores)
    predictions = predictions_in(table.assign(group=rows["group"].array), metadata)
    confidence_of = probabilities[range(len(rows)), predicted]
    return Evaluation(
        metrics.tabulate_scores(predictions, confidence),
        metrics.tabulate_reliability(actual, probabilities, labels, confidence),
        metrics.tabulate_roc(actual, probabilities, labels),
        tabulate_decided(confidence_of, predicted != actual),
        table,
        rows.assign(
            correct=predicted == actual,
            refused=False if unknown_scores is None else predictions.is_unknown,
            confidence=confidence_of,
        ),
    )


def predictions_in(table: pd.DataFrame, metadata: Metadata) -> metrics.Predictions:
    """Those of a table PREDICTIONS with a column `group`."""
    labels, probabilities = metadata.labels, probabilities_in(table)
    actual, predicted = (
        pd.Index(labels).get_indexer(table[column]) for column in ("actual", "predicted")
    )
    is_unknown = None
    if UNKNOWN_SCORE in table:
        is_unknown = table[UNKNOWN_SCORE].to_numpy() > metadata.unknown_threshold
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    of_images = is_unknown, table["group"].to_numpy(), is_decided
    return metrics.Predictions(actual, probabilities, predicted, labels, *of_images)
