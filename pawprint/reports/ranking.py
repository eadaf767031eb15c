"""The order in which a person looks at predictions."""

import numpy as np
import pandas as pd

from pawprint.core.predictions import predicted_labels, probabilities_in


def with_confidence(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows with `confidence` and `wrong`, numbered from 0.

    `predictions` is a table PREDICTIONS. `confidence` is the probability of the predicted label, in
    [0, 1]; `wrong` is bool.
    """
    predicted = pd.Index(predicted_labels(predictions)).get_indexer(predictions["predicted"])
    return predictions.assign(
        confidence=probabilities_in(predictions)[np.arange(len(predicted)), predicted],
        wrong=predictions["predicted"] != predictions["actual"],
    ).reset_index(drop=True)


def rank(predictions: pd.DataFrame) -> pd.DataFrame:
    """Errors, the most confident first; then correct predictions, the least confident first.

    Takes and returns what `with_confidence` does; row numbers are those before ranking.
    """
    ranked = with_confidence(predictions)
    order = np.where(ranked["wrong"], -ranked["confidence"], ranked["confidence"])
    return ranked.iloc[order.argsort(kind="stable")]
