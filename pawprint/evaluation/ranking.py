"""The order in which predictions are shown for a person to look at."""

import pandas as pd


def rank(predictions: pd.DataFrame) -> pd.DataFrame:
    """Errors, the most confident first; then correct predictions, the least confident first.

    `predictions` has the columns of tables.PREDICTIONS. The result also has `confidence`, the
    probability of the predicted label in [0, 1], and `wrong`, a bool.
    """
    second = predictions[["actual", "predicted"]].max(axis=None)  # labels are in alphabetical order
    probability = predictions["probability"]
    ranked = predictions.assign(
        confidence=probability.where(predictions["predicted"] == second, 1 - probability),
        wrong=predictions["predicted"] != predictions["actual"],
    )
    order = ranked["confidence"].where(~ranked["wrong"], -ranked["confidence"])
    return ranked.loc[order.sort_values(kind="stable").index]
