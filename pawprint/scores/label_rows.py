"""Make tables with a row for each image and label, for images that show several labels.

A label that an image lacks is called "not " and its name. `dvc plots` counts these rows.
"""

import numpy as np
import pandas as pd

from pawprint.base.labels import NEITHER, SEPARATOR, SEVERAL_LABELS, cell_of

NOT = "not "


def split_labels(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each label that an image in a PROBABILITIES table has or is given.

    The column `label` is added. `actual` and `predicted` are the label, or NOT and the label. An
    image with no label at all has one row, of NEITHER.
    """
    cells = zip(predictions["actual"], predictions["predicted"])
    labels_in = SEVERAL_LABELS.labels_in
    labels = [sorted({*labels_in(a), *labels_in(b)} or {NEITHER}) for a, b in cells]
    column = pd.Series(labels, predictions.index, dtype=object)  # even without rows
    rows = predictions.assign(label=column).explode("label", ignore_index=True)
    for name in ("actual", "predicted"):
        cells = zip(rows["label"], rows[name])
        has_label = np.array([label in cell.split(SEPARATOR) for label, cell in cells], bool)
        rows[name] = rows["label"].where(has_label, NOT + rows["label"])
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
