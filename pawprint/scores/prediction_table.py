"""Read, write and fill the table PREDICTIONS, a row for each image; rank and count its errors."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.classes import log_losses
from pawprint.columns import PREDICTIONS, PROBABILITY, UNKNOWN_SCORE, Columns
from pawprint.files import parse_file
from pawprint.tables import parse_table, write_table

# Digits of `pixels_sha256` in `image`, likely to differ among a million images.
IMAGE_DIGITS = 16


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table PREDICTIONS with the columns of its labels, as `read_table`."""
    return parse_file(path, parse_predictions)


def parse_predictions(content: bytes) -> pd.DataFrame:
    """Read a table PREDICTIONS with a column of probabilities per label, as `parse_table`."""
    try:
        header = next(csv.reader([content.split(b"\n", 1)[0].decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    return parse_table(content, _prediction_columns(header))


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write a table PREDICTIONS, as `write_table`."""
    write_table(path, predictions, _prediction_columns(predictions))


def _prediction_columns(names: Iterable[str]) -> Columns:
    numbers = [name for name in names if name.startswith(PROBABILITY) or name == UNKNOWN_SCORE]
    return PREDICTIONS | dict.fromkeys(numbers, "float64")


def predicted_labels(predictions: Iterable[str]) -> list[str]:
    """Return the labels of a table PREDICTIONS, or of its columns, in order, also of no image."""
    names = [name for name in predictions if name.startswith(PROBABILITY)]
    return [name.removeprefix(PROBABILITY) for name in names]


def probabilities_in(predictions: pd.DataFrame) -> np.ndarray:
    """Return the probabilities in a table PREDICTIONS, float64 `(images, classes)`."""
    return predictions[[PROBABILITY + label for label in predicted_labels(predictions)]].to_numpy()


def losses_in(predictions: pd.DataFrame) -> np.ndarray:
    """Return the log loss of each image of a table PREDICTIONS, `(images,)`."""
    actual = pd.Index(predicted_labels(predictions)).get_indexer(predictions["actual"])
    return log_losses(actual, probabilities_in(predictions))


def tabulate(
    rows: pd.DataFrame,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    labels: list[str],
    unknown_scores: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return a table PREDICTIONS.

    `rows` has the columns `path`, `label` and `pixels_sha256`, in the order of the images in
    `probabilities`, float64 `(images, classes)`, in `predicted`, the indices of `labels`, and in
    `unknown_scores`, float64 `(images,)`.
    """
    scores = {} if unknown_scores is None else {UNKNOWN_SCORE: unknown_scores}
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": np.array(labels)[predicted],
            "pixels_sha256": rows["pixels_sha256"].array,
            **{PROBABILITY + label: column for label, column in zip(labels, probabilities.T)},
            **scores,
        }
    )


def with_image(images: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the column `image` of PREDICTED_CLASSES, from its `pixels_sha256`."""
    return images.assign(image=images["pixels_sha256"].str[:IMAGE_DIGITS])


def with_confidence(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of PREDICTIONS with `confidence` and `wrong`, numbered from 0.

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
    """Return errors, the most confident first, then other predictions, the least confident first.

    Takes and returns what `with_confidence` does; row numbers are those before ranking.
    """
    ranked = with_confidence(predictions)
    order = np.where(ranked["wrong"], -ranked["confidence"], ranked["confidence"])
    return ranked.iloc[order.argsort(kind="stable")]


def every_prediction(judged: pd.DataFrame, predictions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the prediction for each image from a model that did not learn from it.

    The columns are `path`, `actual`, `predicted`, `confidence`, `wrong`, `split` and
    `pixels_sha256`. Training images are in the table JUDGED; `predictions` are tables PREDICTIONS
    by split.
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
    """Return the wrong predictions of `every_prediction`, the most confident first.

    Takes and returns what `every_prediction` does.
    """
    table = every_prediction(judged, predictions)
    wrong = table[table["wrong"]].drop(columns="wrong")
    return wrong.sort_values("confidence", ascending=False, kind="stable")


def confusion(predictions: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Count images (table PREDICTIONS): a row per true label, a column per predicted label."""
    counts = pd.crosstab(predictions["actual"], predictions["predicted"])
    return counts.reindex(index=labels, columns=labels, fill_value=0)


def most_confused(predictions: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the pairs of classes that are confused most: `actual`, `predicted` and `images`."""
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("images")
    return pairs.sort_values(ascending=False, kind="stable").head(number).reset_index()
