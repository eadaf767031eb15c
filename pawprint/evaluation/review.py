"""The order in which a person looks at predictions, and labels that are likely wrong."""

import numpy as np
import pandas as pd

from pawprint.tables import predicted_labels, probabilities_in

# A label is likely wrong below the first, if another has more than the second: among many classes
# an image may have a low probability of each. docs/decisions/13 has the precision and the recall.
MAX_OF_LABEL = 0.1
MIN_OF_OTHER = 0.5


def list_suspects(predictions: pd.DataFrame) -> pd.DataFrame:
    """The table LIKELY_WRONG_LABELS, the least probable labels first.

    `predictions` is a table PREDICTIONS with the column `split`, by models that did not learn from
    the images.
    """
    labels = predicted_labels(predictions)
    other_probabilities = probabilities_in(predictions).copy()
    images = np.arange(len(predictions))
    actual = pd.Index(labels).get_indexer(predictions["actual"])
    label_probability = other_probabilities[images, actual]
    other_probabilities[images, actual] = 0
    listed = predictions[["path", "split", "pixels_sha256"]].assign(
        label=predictions["actual"],
        likely=np.array(labels)[other_probabilities.argmax(axis=1)],
        probability=label_probability,
    )
    is_suspect = (label_probability < MAX_OF_LABEL) & (
        other_probabilities.max(axis=1) > MIN_OF_OTHER
    )
    return listed[is_suspect].sort_values("probability", kind="stable")


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


def confusion(predictions: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Images (table PREDICTIONS): a row per true label, a column per predicted label."""
    counts = pd.crosstab(predictions["actual"], predictions["predicted"])
    return counts.reindex(index=labels, columns=labels, fill_value=0)


def confused(predictions: pd.DataFrame, number: int) -> pd.DataFrame:
    """The pairs of classes that are confused most often: `actual`, `predicted` and `images`."""
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("images")
    return pairs.sort_values(ascending=False, kind="stable").head(number).reset_index()
