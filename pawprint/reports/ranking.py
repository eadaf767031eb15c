"""The order in which a person looks at predictions."""

import numpy as np
import pandas as pd


def with_confidence(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows with `confidence` and `wrong`, numbered from 0.

    `predictions` has the columns of tables.PREDICTIONS. `confidence` is the probability of the
    predicted label, in [0, 1]; `wrong` is bool.
    """
    predicted, actual = predictions["predicted"], predictions["actual"]
    second = max(predicted.max(), actual.max())  # of the labels in alphabetical order
    probability = predictions["probability"]
    return predictions.assign(
        confidence=np.where(predicted == second, probability, 1 - probability),
        wrong=predicted != actual,
    ).reset_index(drop=True)


def rank(predictions: pd.DataFrame) -> pd.DataFrame:
    """Errors, the most confident first; then correct predictions, the least confident first.

    Takes and returns what `with_confidence` does; row numbers are those before ranking.
    """
    ranked = with_confidence(predictions)
    order = np.where(ranked["wrong"], -ranked["confidence"], ranked["confidence"])
    return ranked.iloc[order.argsort(kind="stable")]
