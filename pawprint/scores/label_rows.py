"""Make tables with a row for each image and label, for images that show several labels.

A label that an image lacks is called "not " and its name. `dvc plots` counts these rows.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from pawprint.base.classes import NEITHER
from pawprint.base.label_cells import SEPARATOR, cell_of, encode, labels_in
from pawprint.scores.label_review import MAX_OF_LABEL, order_suspects
from pawprint.scores.prediction_table import predicted_labels, probabilities_in

NOT = "not "
# A label that an image lacks is listed above this probability. It is further from 1 than
# MAX_OF_LABEL from 0, because missing labels lower all probabilities (docs/decisions/13).
MIN_OF_MISSING = 0.7


def split_labels(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each label that an image in a PROBABILITIES table has or is given.

    The columns `label`, and bool `is_of` and `is_named` are added. `actual` and `predicted` are the
    label, or NOT and the label. An image with no label at all has one row, of NEITHER.
    """
    cells = zip(predictions["actual"], predictions["predicted"])
    labels = [sorted({*labels_in(a), *labels_in(b)} or {NEITHER}) for a, b in cells]
    column = pd.Series(labels, predictions.index, dtype=object)  # even without rows
    rows = predictions.assign(label=column).explode("label", ignore_index=True)
    for column, name in (("is_of", "actual"), ("is_named", "predicted")):
        cells = zip(rows["label"], rows[name])
        rows[column] = np.array([label in cell.split(SEPARATOR) for label, cell in cells], bool)
        rows[name] = rows["label"].where(rows[column], NOT + rows["label"])
    return rows


def join_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a PREDICTED_CLASSES table with a row for each image, from one of `split_labels`."""
    is_missed = rows["predicted"] == NOT + rows["actual"]
    is_surplus = rows["actual"] == NOT + rows["predicted"]
    actual = rows["actual"].where(~is_surplus, NEITHER)
    predicted = rows["predicted"].where(~is_missed, NEITHER)
    images = rows.assign(actual=actual, predicted=predicted).groupby("image", sort=False)
    return images.agg({"actual": _join, "predicted": _join, "loss": "first"}).reset_index()


def _join(labels: pd.Series) -> str:
    return cell_of({*labels} - {NEITHER})


def list_label_suspects(
    judged: pd.DataFrame,
    reviewed: Collection[str] = (),
    contradictions: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return the LABELS_TO_REVIEW table, like `list_suspects`, for images with several labels.

    `judged` is a JUDGED_LABELS table with the column `split`. A row is about one label: `likely` is
    "add sea" or "remove sea". Of near-duplicates, the labels that differ are listed. Of the rest,
    the least probable of either kind come first, taking turns.
    """
    labels = predicted_labels(judged)
    has = encode(judged["label"], labels)
    probabilities = probabilities_in(judged)
    place = {path: number for number, path in enumerate(judged["path"])}
    # The model has to change what the share of a label tells: most images lack a rare one.
    share = has.mean(axis=0)
    is_listed = np.where(
        has,
        probabilities < np.minimum(MAX_OF_LABEL, share),
        probabilities > np.maximum(MIN_OF_MISSING, share),
    )
    # A fold without the only training image of a label has not learned it.
    trained = (judged["split"] == "train").to_numpy()[:, None] & has
    is_listed &= ~(trained & (trained.sum(axis=0) == 1))
    for path, other in contradictions:
        if path in place and other in place:
            is_listed[place[path]] |= has[place[path]] != has[place[other]]
    image, label = np.nonzero(is_listed)
    is_surplus = has[image, label]
    names = np.array(labels)[label]
    rows = judged[["path", "split", "pixels_sha256"]].iloc[image]
    rows = rows.assign(
        label=np.where(is_surplus, names, np.char.add(NOT, names)),
        likely=np.char.add(np.where(is_surplus, "remove ", "add "), names),
        probability=np.where(has, probabilities, 1 - probabilities)[image, label],
    )
    suspects = order_suspects(rows, True, reviewed, contradictions)
    kind = suspects["likely"].str.startswith("add ")
    turn = suspects.groupby(kind).cumcount().where(suspects["contradicts"] == "", -1)
    return suspects.iloc[turn.argsort(kind="stable")]
