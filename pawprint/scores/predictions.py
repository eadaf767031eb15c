"""Score the predictions for a split, and choose which to decide and which to review first."""

import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import SIGNIFICANT
from pawprint.columns import DECIDED, PREDICTIONS, UNKNOWN_SCORE
from pawprint.errors import InputError
from pawprint.model.metadata import Metadata, Outputs, to_probabilities
from pawprint.scores import metrics
from pawprint.scores.intervals import holm, independent_counts, two_sets_test
from pawprint.scores.prediction_table import predicted_labels, probabilities_in, tabulate

# A label is listed if its probability is below the first number and the probability of another
# label is above the second. Both are needed, because with many classes, all probabilities may be
# low. docs/decisions/13 gives the precision and recall of this rule.
MAX_OF_LABEL = 0.1
MIN_OF_OTHER = 0.5


def judge(images: pd.DataFrame, probabilities: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """Return the table JUDGED for images with the columns `path`, `label` and `pixels_sha256`.

    `probabilities` are `(images, classes)`, from a model that did not learn from these images.
    """
    rows = np.arange(len(images))
    actual = pd.Index(labels).get_indexer(images["label"])
    others = probabilities.copy()
    others[rows, actual] = 0
    return images[["path", "label", "pixels_sha256"]].assign(
        likely=np.array(labels)[others.argmax(axis=1)],
        probability=probabilities[rows, actual],
        likely_probability=others.max(axis=1),
    )


def list_suspects(
    judged: pd.DataFrame,
    reviewed: Collection[str] = (),
    contradictions: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return the table LABELS_TO_REVIEW: contradictions first, then the least probable labels.

    `judged` is a table JUDGED with the column `split`. `contradictions` maps paths of images to the
    path of a near-duplicate with another label. Either one of the two labels is wrong, or both
    images show both classes. The images in such a pair follow each other, and the pair with the
    least probable label comes first. Images whose label was given by a person are left out:
    `reviewed` lists them by `pixels_sha256`, or by path in composed Unicode.
    """
    others = dict(contradictions)
    judged = judged.assign(contradicts=[others.get(path, "") for path in judged["path"]])
    is_suspect = (judged["probability"] < MAX_OF_LABEL) & (
        judged["likely_probability"] > MIN_OF_OTHER
    )
    is_suspect |= judged["contradicts"] != ""
    is_suspect &= ~judged["pixels_sha256"].isin(reviewed)
    is_suspect &= ~judged["path"].str.normalize("NFC").isin(reviewed)
    suspects = judged[is_suspect].sort_values("probability", kind="stable")
    pairs = [
        "\n".join(sorted(pair)) if pair[1] else ""
        for pair in zip(suspects["path"], suspects["contradicts"])
    ]
    order = pd.factorize(np.array(pairs, object))[0]
    return suspects.iloc[np.lexsort((order, suspects["contradicts"] == ""))]


def with_confidence(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of PREDICTIONS with `confidence` and `wrong`, numbered from 0.

    `predictions` is such a table. `confidence` is the probability of the predicted label, in [0,
    1], and `wrong` is bool.
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
    """Return errors, most confident first, then the other predictions, least confident first.

    The argument and the result are tables like the result of `with_confidence`. Row numbers stay as
    they were before ranking.
    """
    ranked = with_confidence(predictions)
    order = np.where(ranked["wrong"], -ranked["confidence"], ranked["confidence"])
    return ranked.iloc[order.argsort(kind="stable")]


def every_prediction(judged: pd.DataFrame, predictions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the prediction for each image from a model that did not learn from it.

    The columns are `path`, `actual`, `predicted`, `confidence`, `wrong`, `split` and
    `pixels_sha256`. Training images are in the table JUDGED, and `predictions` contains a table
    PREDICTIONS for each split.
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
    """Return the wrong predictions among those of `every_prediction`, most confident first.

    The arguments and columns are the same.
    """
    table = every_prediction(judged, predictions)
    wrong = table[table["wrong"]].drop(columns="wrong")
    return wrong.sort_values("confidence", ascending=False, kind="stable")


def confusion(predictions: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Count images (table PREDICTIONS): one row per true label, one column per predicted label."""
    counts = pd.crosstab(predictions["actual"], predictions["predicted"])
    return counts.reindex(index=labels, columns=labels, fill_value=0)


def most_confused(predictions: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the most confused pairs of classes: `actual`, `predicted` and `images`."""
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("images")
    return pairs.sort_values(ascending=False, kind="stable").head(number).reset_index()


LEVEL = 0.1  # maximum probability that more than the allowed error are wrong
STEPS = 20  # equal parts of the images, for a curve and for the sequence of tests
DIGITS = 4  # of a confidence, as `predict` writes it
ERRORS = np.arange(1, 1000) / 1000  # candidates for the smallest possible error


def enough_images(max_error: float) -> int:
    """Return how many independent images, all correct, show that at most `max_error` are wrong."""
    return math.ceil(math.log(LEVEL) / math.log1p(-max_error))


def choose_min_confidence(
    confidence: np.ndarray, is_wrong: np.ndarray, groups: np.ndarray, max_error: float
) -> float:
    """Return the confidence in [0, 1) from which predictions are decided; 0 decides all images.

    `is_wrong` is bool. Images in the same group are not independent. Starting with the most
    confident images, each of the STEPS that has `enough_images` is tested: a binomial test at LEVEL
    must reject the hypothesis that more than `max_error` are wrong. Images before the first failure
    are decided, so the number of tests needs no correction. This is fixed sequence testing as in
    Angelopoulos et al., Learn then Test, 2021 (https://arxiv.org/abs/2110.01052).

    Raises InputError, with the smallest error that these images allow, if no image is decided.
    """
    confidence = confidence.round(DIGITS)
    order = np.argsort(-confidence, kind="stable")
    number = len(confidence)
    ends = _ends(confidence[order], STEPS)
    counts = [independent_counts(is_wrong[order[:end]], groups[order[:end]]) for end in ends]
    wrong, images = np.transpose(counts)
    passed = ends[_passing(wrong, images, max_error)]
    if not len(passed):
        possible = (error for error in ERRORS if len(_passing(wrong, images, error)))
        smallest = next(possible, ERRORS[-1])
        tested = np.flatnonzero(images >= enough_images(max_error))
        why = f"{max_error:g} takes {enough_images(max_error):,} images or more without an error"
        if len(tested):
            why = f"{wrong[tested[0]]:,} of the {ends[tested[0]]:,} most confident are wrong"
        groups_as = f", as {images[-1]:,} independent ones," if images[-1] < number else ""
        raise InputError(
            f"params.yaml: calibrate.max_error: expected {smallest:g} or more, the smallest error "
            f"that {number:,} validation images{groups_as} allow ({why}). Received: {max_error:g}"
        )
    last = passed[-1]
    return float(confidence[order[last - 1 : last + 1]].mean()) if last < number else 0.0


def _passing(wrong: np.ndarray, images: np.ndarray, error: float) -> np.ndarray:
    """Return the indices of the steps before the first one that fails the test, int `(steps,)`."""
    from scipy.special import bdtr  # slow to import, and only `calibrate` needs it

    tested = np.flatnonzero(images >= enough_images(error))
    passes = bdtr(wrong[tested], images[tested], error) <= LEVEL
    return tested[np.logical_and.accumulate(passes)]


def tabulate_decided(confidence: np.ndarray, is_wrong: np.ndarray) -> pd.DataFrame:
    """Return the table DECIDED: the error of the most confident images, in at most STEPS parts."""
    order = np.argsort(-confidence, kind="stable")
    ends = _ends(confidence[order], STEPS)
    return pd.DataFrame(
        {
            "decided": ends / len(order),
            "error": np.cumsum(is_wrong[order])[ends - 1] / ends,
            "confidence": confidence[order[ends - 1]],
        }
    )[list(DECIDED)]


def _ends(confidence: np.ndarray, parts: int) -> np.ndarray:
    """Return the ends of equal parts of the images, by decreasing confidence, int `(ends,)`.

    Images with equal confidence stay in the same part.
    """
    ends = np.ceil(len(confidence) * np.arange(1, parts + 1) / parts).astype(int)
    return np.unique(np.searchsorted(-confidence, -confidence[ends - 1], side="right"))


class Evaluation(NamedTuple):
    """Scores and tables for one split.

    `scores`, `reliability`, `roc` and `decided` have the columns of the tables with these names,
    without `split`. `predictions` is a table PREDICTIONS. `images` has a row for each image, with
    the columns of SPLIT, `correct`, `refused` (as unknown), and `confidence`, the probability of
    the predicted class.
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

    In intervals, images in the same group count as one.
    """
    labels = metadata.labels
    actual = outputs.actual
    probabilities = to_probabilities(outputs.logits, metadata.temperature)
    predicted = metadata.classes(probabilities)
    unknown_scores = None if metadata.unknown_threshold is None else outputs.unknown_scores
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
    """Return the predictions in a table PREDICTIONS with a column `group`."""
    labels = metadata.labels
    probabilities = probabilities_in(table)
    actual, predicted = (
        pd.Index(labels).get_indexer(table[column]) for column in ("actual", "predicted")
    )
    is_unknown = None
    if UNKNOWN_SCORE in table:
        is_unknown = table[UNKNOWN_SCORE].to_numpy() > metadata.unknown_threshold
    is_decided = None if metadata.min_confidence is None else metadata.are_decided(probabilities)
    groups = table["group"].to_numpy()
    return metrics.Predictions(
        actual, probabilities, predicted, labels, is_unknown, groups, is_decided
    )


def tabulate_beside(
    photos: pd.DataFrame,
    unknown: pd.DataFrame,
    test: pd.DataFrame | None,
    metadata: Metadata,
    confidence: float,
) -> pd.DataFrame:
    """Return the scores of photos, next to the scores of test images in the same classes.

    The arguments are tables PREDICTIONS with a column `group`, for photos of the classes and for
    `unknown` ones. The result has the columns of SCORES after `split`, followed by `test`,
    `test_low`, `test_high`, `p_value`, and `different`, which is yes, no, or "" if CATALOGUE has no
    test for the difference. Holm's correction covers all tests together.
    """
    first = predictions_in(photos, metadata)
    threshold = metadata.unknown_threshold
    scores = metrics.tabulate_scores(first, confidence)
    if threshold is not None and len(unknown):
        of_unknown, of_known = (table[UNKNOWN_SCORE].to_numpy() for table in (unknown, photos))
        groups = np.append(unknown["group"], photos["group"])
        rows = metrics.measure_unknown(of_unknown, of_known, threshold, confidence, groups)
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
    """Return the p-value for the difference in a score, for one class or, with "", for all."""
    score = metrics.CATALOGUE[name]
    index = [photos.labels.index(label)] if label else []
    parts = []
    for side in (photos, test):
        values = score.values(side, *index).astype(float)
        is_in = ~np.isnan(values)
        parts.append((values[is_in], side.group_of[is_in], side.actual[is_in]))
    values, groups, classes = map(np.concatenate, zip(*parts))
    is_photo = np.arange(len(values)) < len(parts[0][0])
    return two_sets_test(values, is_photo, groups, classes if score.over == "classes" else None)
