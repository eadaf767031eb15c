"""The order in which a person looks at predictions, and labels to review."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from pawprint.project import PREDICTIONS
from pawprint.tables import predicted_labels, probabilities_in

# A label is listed below the first, if another has more than the second: among many classes
# an image may have a low probability of each. docs/decisions/13 has the precision and the recall.
MAX_OF_LABEL = 0.1
MIN_OF_OTHER = 0.5


def judge(images: pd.DataFrame, probabilities: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """The table JUDGED of images with the columns `path`, `label` and `pixels_sha256`.

    `probabilities` are `(images, classes)`, by a model that did not learn from them.
    """
    rows, actual = np.arange(len(images)), pd.Index(labels).get_indexer(images["label"])
    others = probabilities.copy()
    others[rows, actual] = 0
    return images[["path", "label", "pixels_sha256"]].assign(
        likely=np.array(labels)[others.argmax(axis=1)],
        probability=probabilities[rows, actual],
        likely_probability=others.max(axis=1),
    )


def list_suspects(judged: pd.DataFrame, reviewed: Collection[str] = ()) -> pd.DataFrame:
    """The table LABELS_TO_REVIEW, the least probable labels first.

    `judged` is a table JUDGED with the column `split`. Images that a person has given a label,
    `reviewed` by path in composed Unicode or `pixels_sha256`, are left out.
    """
    is_suspect = (judged["probability"] < MAX_OF_LABEL) & (
        judged["likely_probability"] > MIN_OF_OTHER
    )
    is_suspect &= ~judged["pixels_sha256"].isin(reviewed)
    is_suspect &= ~judged["path"].str.normalize("NFC").isin(reviewed)
    return judged[is_suspect].sort_values("probability", kind="stable")


def with_confidence(predictions: pd.DataFrame) -> pd.DataFrame:
    """The columns of PREDICTIONS with `confidence` and `wrong`, numbered from 0.

    `predictions` is such a table. `confidence` is the probability of the predicted label, in
    [0, 1]; `wrong` is bool.
    """
    predicted = pd.Index(predicted_labels(predictions)).get_indexer(predictions["predicted"])
    return (
        predictions[list(PREDICTIONS)]
        .assign(
            confidence=probabilities_in(predictions)[np.arange(len(predicted)), predicted],
            wrong=predictions["predicted"] != predictions["actual"],
        )
        .reset_index(drop=True)
    )


def rank_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Errors, the most confident first; then correct predictions, the least confident first.

    Takes and returns what `with_confidence` does; row numbers are those before ranking.
    """
    ranked = with_confidence(predictions)
    order = np.where(ranked["wrong"], -ranked["confidence"], ranked["confidence"])
    return ranked.iloc[order.argsort(kind="stable")]


def every_prediction(judged: pd.DataFrame, predictions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Of each image by a model that did not learn from it: `path`, `actual`, `predicted`,
    `confidence`, `wrong`, `split` and `pixels_sha256`.

    Training images are those of a table JUDGED; `predictions` are tables PREDICTIONS by split.
    """
    is_wrong = judged["likely_probability"] > judged["probability"]
    training = pd.DataFrame(
        {
            "path": judged["path"],
            "actual": judged["label"],
            "predicted": judged["likely"].where(is_wrong, judged["label"]),
            "confidence": judged[["probability", "likely_probability"]].max(axis=1),
            "wrong": is_wrong,
            "split": "train",
            "pixels_sha256": judged["pixels_sha256"],
        }
    )
    held_out = [with_confidence(table).assign(split=name) for name, table in predictions.items()]
    return pd.concat([training, *held_out], ignore_index=True)[list(training)]


def list_errors(judged: pd.DataFrame, predictions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The wrong predictions by a model that did not learn from the image, the most confident first.

    Takes and returns what `every_prediction` does.
    """
    table = every_prediction(judged, predictions)
    wrong = table[table["wrong"]].drop(columns="wrong")
    return wrong.sort_values("confidence", ascending=False, kind="stable")


def confusion(predictions: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Images (table PREDICTIONS): a row per true label, a column per predicted label."""
    counts = pd.crosstab(predictions["actual"], predictions["predicted"])
    return counts.reindex(index=labels, columns=labels, fill_value=0)


def most_confused(predictions: pd.DataFrame, number: int) -> pd.DataFrame:
    """The pairs of classes that are confused most often: `actual`, `predicted` and `images`."""
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("images")
    return pairs.sort_values(ascending=False, kind="stable").head(number).reset_index()
