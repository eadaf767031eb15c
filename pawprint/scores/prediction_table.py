"""Make, read and write the PROBABILITIES table: a row for each image, with its prediction.

`evaluate` writes the table to data/probabilities.csv, and the PREDICTED_CLASSES columns to
plots/predictions.csv. This module also ranks the errors in the table.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.base.columns import (
    PROBABILITIES,
    PROBABILITY,
    TRAIN,
    UNKNOWN_SCORE,
    columns_of_judged,
    columns_of_numbers,
    predicted_labels,
)
from pawprint.base.files import parse_file
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, LabelKind
from pawprint.base.tables import parse_table, write_table
from pawprint.scores.metrics import Predictions

# Digits of `pixels_sha256` in `image`, enough to tell a million images apart.
IMAGE_DIGITS = 16


def read_probabilities(path: Path) -> pd.DataFrame:
    """Read a PROBABILITIES table, including its label columns, like `read_table`."""
    return parse_file(path, parse_probabilities)


def parse_probabilities(content: bytes) -> pd.DataFrame:
    """Parse a PROBABILITIES table with one probability column per label, like `parse_table`."""
    return parse_table(content, PROBABILITIES | columns_of_numbers(_header(content)))


def parse_judged(content: bytes) -> pd.DataFrame:
    """Parse a JUDGED table, or JUDGED_LABELS and probabilities, for `judged_predictions`."""
    return judged_predictions(parse_table(content, columns_of_judged(_header(content))))


def _header(content: bytes) -> list[str]:
    try:
        return next(csv.reader([content.split(b"\n", 1)[0].decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def write_probabilities(path: Path, predictions: pd.DataFrame) -> None:
    """Write a PROBABILITIES table, like `write_table`."""
    write_table(path, predictions, PROBABILITIES | columns_of_numbers(predictions))


def probabilities_in(predictions: pd.DataFrame) -> np.ndarray:
    """Return the probabilities in a PROBABILITIES table, float64 `(images, classes)`."""
    return predictions[[PROBABILITY + label for label in predicted_labels(predictions)]].to_numpy()


def tabulate(
    rows: pd.DataFrame, predictions: Predictions, unknown_scores: np.ndarray | None = None
) -> pd.DataFrame:
    """Return a PROBABILITIES table.

    `rows` has the columns `path`, `label` and `pixels_sha256`. All arguments list the images in the
    same order; `unknown_scores` are float64 `(images,)`.
    """
    scores = {} if unknown_scores is None else {UNKNOWN_SCORE: unknown_scores}
    of_labels = zip(predictions.labels, predictions.probabilities.T)
    return pd.DataFrame(
        {
            "path": rows["path"].array,
            "actual": rows["label"].array,
            "predicted": predictions.names,
            "pixels_sha256": rows["pixels_sha256"].array,
            **{PROBABILITY + label: column for label, column in of_labels},
            **scores,
        }
    )


def with_image(images: pd.DataFrame) -> pd.DataFrame:
    """Add the column `image` of PREDICTED_CLASSES to a table with a column `pixels_sha256`."""
    return images.assign(image=images["pixels_sha256"].str[:IMAGE_DIGITS])


def with_confidence(predictions: pd.DataFrame, kind: LabelKind = ONE_CLASS) -> pd.DataFrame:
    """Return a PROBABILITIES table with further columns; rows are numbered from 0.

    `confidence` is the probability of what is predicted, in [0, 1], `wrong` is bool, `mistake` says
    what is wrong, and `loss` is the log loss.
    """
    labels = predicted_labels(predictions)
    actual, predicted = (kind.encode(predictions[n], labels) for n in ("actual", "predicted"))
    groups = predictions["path"].to_numpy()
    read = Predictions(actual, probabilities_in(predictions), predicted, labels, groups)
    return predictions.assign(
        confidence=read.confidence, wrong=~read.is_right, mistake=read.mistakes, loss=read.losses
    ).reset_index(drop=True)


def rank_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return errors, most confident first, then the other predictions, least confident first.

    The argument and the result are tables as returned by `with_confidence`. Rows keep the numbers
    that they had before ranking.
    """
    order = np.where(predictions["wrong"], -predictions["confidence"], predictions["confidence"])
    return predictions.iloc[order.argsort(kind="stable")]


def every_prediction(
    predictions: Mapping[str, pd.DataFrame], thresholds: Mapping[str, float] = {}
) -> pd.DataFrame:
    """Return each image's prediction by a model that was not trained on the image.

    The columns are `path`, `actual`, `predicted`, `confidence`, `wrong`, `mistake`, `split`, `loss`
    and `pixels_sha256`. `predictions` contains, for each split, a table of `with_confidence`, or
    for training images of `judged_predictions`. If the model has `thresholds`, which the models of
    folds have not, training images are left out.
    """
    known = [name for name in predictions if not (thresholds and name == TRAIN)]
    tables = [predictions[name].assign(split=name) for name in known]
    return pd.concat(tables, ignore_index=True, join="inner")


def judged_predictions(judged: pd.DataFrame) -> pd.DataFrame:
    """Add to a JUDGED table the PREDICTED_CLASSES columns, and `confidence`, `wrong`, `mistake`.

    The given label is predicted unless another one is more probable, so a tie is correct. In a
    JUDGED_LABELS table, labels are named as by a model without thresholds.
    """
    if labels := predicted_labels(judged):
        shown = SEVERAL_LABELS.encode(judged["label"], labels)
        named = SEVERAL_LABELS.predict_without_rules(probabilities_in(judged), shown)
        predicted = SEVERAL_LABELS.decode(named, labels)
        table = with_image(judged).assign(actual=judged["label"], predicted=predicted)
        return with_confidence(table, SEVERAL_LABELS)
    is_wrong = judged["likely_probability"] > judged["probability"]
    return with_image(judged).assign(
        actual=judged["label"],
        predicted=judged["likely"].where(is_wrong, judged["label"]),
        confidence=judged[["probability", "likely_probability"]].max(axis=1),
        wrong=is_wrong,
        mistake="label: " + judged["label"],
        loss=ONE_CLASS.losses(np.zeros(len(judged), int), judged[["probability"]].to_numpy()),
    )
