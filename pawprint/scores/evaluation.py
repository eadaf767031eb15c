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

    Additional columns are `group` and `correct`.
    """
    probabilities, predicted = predictions.probabilities, predictions.predicted
    unknown_scores = None if predictions.is_unknown is None else outputs.unknown_scores
    table = tabulate(rows, probabilities, predicted, predictions.labels, unknown_scores)
    return table.assign(group=rows["group"].array, correct=predictions.is_right)


def measure_apart(test: pd.DataFrame, near_duplicates: pd.DataFrame) -> pd.DataFrame:
    """Return a SCORES row: test accuracy without images that resemble images in other splits.

    The result is empty if no test images, or all of them, resemble images in other splits. `test`
    has the columns `path`, `group` and `correct`, and `near_duplicates` is a NEAR_DUPLICATES table.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    if not 0 < is_apart.sum() < len(test):
        return metrics.score_rows([])
    is_right, groups = (test.loc[is_apart, name].to_numpy() for name in ("correct", "group"))
    return metrics.score_rows([("", metrics.APART, *metrics.fraction_cells(is_right, groups))])
