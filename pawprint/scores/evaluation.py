"""Make and score predictions from the network's outputs for a split.

prediction_table.py defines the table of predictions, and metrics.py each score.
"""

import numpy as np
import pandas as pd

from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Outputs, to_probabilities
from pawprint.scores import metrics
from pawprint.scores.prediction_table import tabulate


def predict(metadata: Metadata, outputs: Outputs, groups: np.ndarray) -> metrics.Predictions:
    """Return the served model's predictions from its outputs, given each image's group."""
    probabilities = to_probabilities(outputs.logits, metadata.temperature)
    return decide(metadata, outputs.actual, probabilities, outputs.unknown_scores, groups)


def decide(
    metadata: Metadata,
    actual: np.ndarray,
    probabilities: np.ndarray,
    unknown_scores: np.ndarray,
    groups: np.ndarray,
) -> metrics.Predictions:
    """Return the predictions that follow from the model's rules; see Predictions for the arrays."""
    predicted = metadata.classes(probabilities)
    is_unknown = metadata.are_unknown(unknown_scores)
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    return metrics.Predictions(
        actual, probabilities, predicted, metadata.labels, groups, is_unknown, is_decided
    )


def tabulate_images(
    rows: pd.DataFrame, outputs: Outputs, predictions: metrics.Predictions
) -> pd.DataFrame:
    """Return a PROBABILITIES table for a split's images, `rows` of a SPLIT table.

    Additional columns are `group`, `correct`, `refused` (as unknown) and `confidence`.
    """
    probabilities, predicted = predictions.probabilities, predictions.predicted
    is_unknown = predictions.is_unknown
    unknown_scores = None if is_unknown is None else outputs.unknown_scores
    table = tabulate(rows, probabilities, predicted, predictions.labels, unknown_scores)
    return table.assign(
        group=rows["group"].array,
        correct=predictions.is_right,
        refused=False if is_unknown is None else is_unknown,
        confidence=predictions.confidence,
    )
