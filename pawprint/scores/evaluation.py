"""Make and score predictions from the network's outputs for a split.

prediction_table.py defines the table of predictions, and metrics.py each score.
"""

import numpy as np
import pandas as pd

from pawprint.classes import SIGNIFICANT
from pawprint.columns import UNKNOWN_SCORE
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Outputs, to_probabilities
from pawprint.scores import metrics
from pawprint.scores.intervals import holm, two_sets_test
from pawprint.scores.prediction_table import probabilities_in, tabulate


def predict(metadata: Metadata, outputs: Outputs, groups: np.ndarray) -> metrics.Predictions:
    """Return the served model's predictions from its outputs, given each image's group."""
    probabilities = to_probabilities(outputs.logits, metadata.temperature)
    predicted = metadata.classes(probabilities)
    is_unknown = metadata.are_unknown(outputs.unknown_scores)
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    return metrics.Predictions(
        outputs.actual, probabilities, predicted, metadata.labels, groups, is_unknown, is_decided
    )


def tabulate_images(
    rows: pd.DataFrame, outputs: Outputs, predictions: metrics.Predictions
) -> pd.DataFrame:
    """Return a PROBABILITIES table for a split's images, `rows` of a SPLIT table.

    Additional columns are `group` and `correct`.
    """
    probabilities, predicted = predictions.probabilities, predictions.predicted
    unknown_scores = None if predictions.is_unknown is None else outputs.unknown_scores
    table = tabulate(rows, probabilities, predicted, predictions.labels, unknown_scores)
    return table.assign(group=rows["group"].array, correct=predictions.is_right)


def measure_apart(test: pd.DataFrame, near_duplicates: pd.DataFrame) -> pd.DataFrame:
    """Return a SCORES row: test accuracy without images that resemble images in other splits.

    The result is empty if no test images, or all of them, resemble images in other splits. `test`
    has the columns `path`, `group` and `correct`, and `near_duplicates` is a NEAR_DUPLICATES table.
    """
    split_of = near_duplicates.set_index("path")["split"]
    is_divided = near_duplicates.groupby("group")["split"].transform("nunique") > 1
    is_divided |= near_duplicates["nearest"].map(split_of) != near_duplicates["split"]
    is_apart = ~test["path"].isin(near_duplicates["path"][is_divided])
    if not 0 < is_apart.sum() < len(test):
        return metrics.score_rows([])
    is_right, groups = (test.loc[is_apart, name].to_numpy() for name in ("correct", "group"))
    return metrics.score_rows([("", metrics.APART, *metrics.fraction_cells(is_right, groups))])


def predictions_in(table: pd.DataFrame, metadata: Metadata) -> metrics.Predictions:
    """Return the predictions in a PROBABILITIES table with a column `group`."""
    labels = metadata.labels
    probabilities = probabilities_in(table)
    actual, predicted = (
        pd.Index(labels).get_indexer(table[column]) for column in ("actual", "predicted")
    )
    is_unknown = metadata.are_unknown(table.get(UNKNOWN_SCORE))
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    groups = table["group"].to_numpy()
    return metrics.Predictions(
        actual, probabilities, predicted, labels, groups, is_unknown, is_decided
    )


def tabulate_beside(
    photos: pd.DataFrame,
    unknown: pd.DataFrame,
    test: pd.DataFrame | None,
    metadata: Metadata,
) -> pd.DataFrame:
    """Return the scores for photos, next to those for test images in the same classes.

    The arguments are PROBABILITIES tables with a column `group`, for photos of the classes and for
    `unknown` photos. The result has the SCORES columns after `split`, followed by `test`,
    `test_low`, `test_high`, `p_value`, and `different`, which is yes, no, or "" if CATALOGUE has no
    test for the difference. Holm's correction covers all tests together.
    """
    first = predictions_in(photos, metadata)
    threshold = metadata.unknown_threshold
    scores = metrics.tabulate_scores(first)
    if threshold is not None and len(unknown):
        of_unknown, of_known = (table[UNKNOWN_SCORE].to_numpy() for table in (unknown, photos))
        groups = np.append(unknown["group"], photos["group"])
        rows = metrics.measure_unknown(of_unknown, of_known, threshold, groups)
        scores = pd.concat([scores, rows], ignore_index=True)
    columns = {"value": "test", "low": "test_low", "high": "test_high"}
    test = None if test is None else test[test["actual"].isin(photos["actual"])]
    if test is None or test.empty:
        return scores.assign(**dict.fromkeys((*columns.values(), "p_value"), np.nan), different="")
    second = predictions_in(test.assign(group=test.index), metadata)
    beside = metrics.tabulate_scores(second).rename(columns=columns)
    both = scores.merge(beside.drop(columns="images"), on=["label", "score"], how="left")
    both = both.assign(p_value=np.nan, different="")
    tested = [name for name, score in metrics.CATALOGUE.items() if score.is_tested]
    is_tested = both["score"].isin(tested) & both["test"].notna()
    names = both.loc[is_tested, ["score", "label"]].itertuples(index=False)
    p_values = [_p_value(score, label, first, second) for score, label in names]
    both.loc[is_tested, "p_value"] = p_values
    is_different = np.array(p_values) < holm(p_values, SIGNIFICANT)
    both.loc[is_tested, "different"] = np.where(is_different, "yes", "no")
    return both


def _p_value(
    name: str, label: str, photos: metrics.Predictions, test: metrics.Predictions
) -> float:
    """Return the p-value for the difference in a score, for one class or, with "", for all."""
    score = metrics.CATALOGUE[name]
    index = [photos.labels.index(label)] if label else []
    parts = []
    for side in (photos, test):
        values = score.values(side, *index).astype(float)
        is_in = ~np.isnan(values)
        parts.append((values[is_in], side.groups[is_in], side.actual[is_in]))
    values, groups, classes = map(np.concatenate, zip(*parts))
    is_photo = np.arange(len(values)) < len(parts[0][0])
    return two_sets_test(values, is_photo, groups, classes if score.over == "classes" else None)
