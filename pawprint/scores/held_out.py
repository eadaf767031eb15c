"""The scores of a split, from what the network gives for its images; other photos beside them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import SIGNIFICANT
from pawprint.columns import UNKNOWN_SCORE
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Outputs, to_probabilities
from pawprint.randomization import two_sets_test
from pawprint.scores import metrics
from pawprint.scores.decided import tabulate_decided
from pawprint.scores.intervals import holm
from pawprint.tables import probabilities_in, tabulate


class Evaluation(NamedTuple):
    """Of a split. `scores`, `reliability`, `roc` and `decided` have the columns of the tables of
    these names, without `split`. `predictions` is a table PREDICTIONS. `images` has a row for each
    image: those of the split table, `correct`, `refused` as unknown, and `confidence`, the
    probability of the predicted class.
    """

    scores: pd.DataFrame
    reliability: pd.DataFrame
    roc: pd.DataFrame
    decided: pd.DataFrame
    predictions: pd.DataFrame
    images: pd.DataFrame


def evaluate(
    rows: pd.DataFrame, outputs: Outputs, metadata: Metadata, confidence: float
) -> Evaluation:
    """Evaluate the served model on the images of a split, `rows` of a table SPLIT.

    The images of a group count as one in the intervals.
    """
    labels = metadata.labels
    actual, logits, unknown_scores = outputs
    probabilities = to_probabilities(logits, metadata.temperature)
    predicted = metadata.classes(probabilities)
    unknown_scores = None if metadata.unknown_threshold is None else unknown_scores
    table = tabulate(rows, probabilities, predicted, labels, unknown_scores)
    predictions = predictions_in(table.assign(group=rows["group"].array), metadata)
    confidence_of = probabilities[range(len(rows)), predicted]
    return Evaluation(
        metrics.tabulate_scores(predictions, confidence),
        metrics.tabulate_reliability(actual, probabilities, labels, confidence),
        metrics.tabulate_roc(actual, probabilities, labels),
        tabulate_decided(confidence_of, predicted != actual),
        table,
        rows.assign(
            correct=predicted == actual,
            refused=False if unknown_scores is None else predictions.is_unknown,
            confidence=confidence_of,
        ),
    )


def predictions_in(table: pd.DataFrame, metadata: Metadata) -> metrics.Predictions:
    """Those of a table PREDICTIONS with a column `group`."""
    labels, probabilities = metadata.labels, probabilities_in(table)
    actual, predicted = (
        pd.Index(labels).get_indexer(table[column]) for column in ("actual", "predicted")
    )
    is_unknown = None
    if UNKNOWN_SCORE in table:
        is_unknown = table[UNKNOWN_SCORE].to_numpy() > metadata.unknown_threshold
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    of_images = is_unknown, table["group"].to_numpy(), is_decided
    return metrics.Predictions(actual, probabilities, predicted, labels, *of_images)


def tabulate_beside(
    photos: pd.DataFrame,
    unknown: pd.DataFrame,
    test: pd.DataFrame | None,
    metadata: Metadata,
    confidence: float,
) -> pd.DataFrame:
    """Return the scores of photos, beside those of the test images of the same classes.

    The arguments are tables PREDICTIONS, of photos of the classes and of `unknown` ones with a
    column `group`. The columns are those of SCORES after `split`, and `test`, `test_low`,
    `test_high`, `p_value` and `different`: yes, no, or "" where CATALOGUE has no test of the
    difference. Levels are those of Holm for all of them together.
    """
    first, threshold = predictions_in(photos, metadata), metadata.unknown_threshold
    scores = metrics.tabulate_scores(first, confidence)
    if threshold is not None and len(unknown):
        pair = unknown[UNKNOWN_SCORE].to_numpy(), photos[UNKNOWN_SCORE].to_numpy()
        groups = np.append(unknown["group"], photos["group"])
        rows = metrics.measure_unknown(*pair, threshold, confidence, groups)
        scores = pd.concat([scores, rows], ignore_index=True)
    columns = {"value": "test", "low": "test_low", "high": "test_high"}
    test = None if test is None else test[test["actual"].isin(photos["actual"])]
    if test is None or test.empty:
        return scores.assign(**dict.fromkeys((*columns.values(), "p_value"), np.nan), different="")
    second = predictions_in(test.assign(group=test.index), metadata)
    beside = metrics.tabulate_scores(second, confidence).rename(columns=columns)
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
    """Return the p-value of a difference of a score, of one class or, with "", of all."""
    score, index = metrics.CATALOGUE[name], [photos.labels.index(label)] if label else []
    parts = []
    for side in (photos, test):
        values = score.of(side, *index).astype(float)
        is_in = ~np.isnan(values)
        parts.append((values[is_in], side.groups[is_in], side.actual[is_in]))
    values, groups, classes = map(np.concatenate, zip(*parts))
    is_photo = np.arange(len(values)) < len(parts[0][0])
    return two_sets_test(values, is_photo, groups, classes if score.over == "classes" else None)
