"""Make tables with a row for each image and label, for images that show several labels.

A label that an image lacks is called "not " and its name. `dvc plots` counts these rows.
"""

import numpy as np
import pandas as pd

from pawprint.base.labels import NEITHER, NOT, NOT_KNOWN, SEPARATOR, SEVERAL_LABELS, cell_of


def split_labels(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each label that an image in a PROBABILITIES table has or is given.

    The column `label` is added. `actual` and `predicted` are the label, or NOT and the label. An
    image with no label at all has one row, of NEITHER. If a label is not known, all three columns
    are the label with NOT_KNOWN.
    """
    cells = zip(predictions["actual"], predictions["predicted"])
    labels = [_rows_of(actual, predicted) for actual, predicted in cells]
    column = pd.Series(labels, predictions.index, dtype=object)  # even without rows
    rows = predictions.assign(label=column).explode("label", ignore_index=True)
    for name in ("actual", "predicted"):
        cells = zip(rows["label"], rows[name])
        has_label = np.array([label in cell.split(SEPARATOR) for label, cell in cells], bool)
        has_label |= rows["label"].str.endswith(NOT_KNOWN)
        rows[name] = rows["label"].where(has_label, NOT + rows["label"])
    return rows


def _rows_of(actual: str, predicted: str) -> list[str]:
    states = SEVERAL_LABELS.states_in(actual)
    labels = states.keys() | SEVERAL_LABELS.labels_in(predicted)
    parts = (f"{label}{NOT_KNOWN * (states.get(label, 0) < 0)}" for label in labels)
    return sorted(parts) or [NEITHER]


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
