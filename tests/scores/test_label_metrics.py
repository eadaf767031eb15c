"""Scores of images that can show several labels."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from pawprint.base.columns import SCORES
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.scores.metrics import (
    Predictions,
    tabulate_reliability,
    tabulate_roc,
    tabulate_scores,
)

LABELS = ["sea", "sunset", "trees"]


def label_predictions(images: int = 200, seed: int = 0) -> Predictions:
    """Return predictions that are mostly right; images have 0 to 3 labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, (images, len(LABELS)))
    probabilities = 1 / (1 + np.exp(-logits))
    actual = rng.uniform(size=logits.shape) < probabilities
    return Predictions(actual, probabilities, logits >= 0, LABELS, np.arange(images))


def test_scores_are_those_of_scikit_learn_and_counts_of_labels():
    made = label_predictions()
    scores = tabulate_scores(made).set_index(["label", "score"])
    whole = scores.loc[""]
    assert whole.loc["exact", "value"] == (made.actual == made.predicted).all(axis=1).mean()
    both = (made.actual & made.predicted).sum()
    for score, among in ("found", made.actual), ("named_right", made.predicted):
        assert whole.loc[score, ["value", "images"]].tolist() == [both / among.sum(), among.sum()]
    right = np.where(made.actual, made.probabilities, 1 - made.probabilities)
    assert whole.loc["loss", "value"] == pytest.approx(-np.log(right).sum(axis=1).mean())
    theirs = precision_recall_fscore_support(made.actual, made.predicted)
    for name, expected in zip(("precision", "recall", "f1"), theirs):
        assert scores["value"].xs(name, level=1)[LABELS].tolist() == pytest.approx(expected)
    areas = average_precision_score(made.actual, made.probabilities, average=None)
    found = scores.xs("average_precision", level=1).loc[LABELS]
    assert found["value"].tolist() == pytest.approx(areas) and found["low"].isna().all()
    assert list(scores.columns) == list(SCORES)[3:]


def test_a_photo_is_the_unit_of_every_interval_and_of_the_curves():
    """Copies of photos, each in its photo's group, change no interval."""
    made = label_predictions()
    arrays = (made.actual, made.probabilities, made.predicted)
    twice = (each.repeat(2, axis=0) for each in arrays)
    copied = Predictions(*twice, LABELS, made.groups.repeat(2))
    for tabulate in tabulate_scores, tabulate_reliability, tabulate_roc:
        tables = map(tabulate, (made, copied))
        one, two = (table.drop(columns="images", errors="ignore") for table in tables)
        pd.testing.assert_frame_equal(one, two)
    cells = made.actual.sum()
    found = tabulate_scores(made).set_index("score").loc["found"]
    value = found["value"]
    assert found["high"] - found["low"] > 2 * 1.96 * (value * (1 - value) / cells) ** 0.5


def test_label_of_no_image_has_no_score_and_what_is_wrong_is_said_in_words():
    actual = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    predicted = np.array([[0, 1, 1], [0, 1, 0], [0, 0, 0]], bool)
    made = Predictions(actual, predicted * 0.8 + 0.1, predicted, LABELS, np.arange(3))
    assert made.mistakes == ["missed sea\nnamed trees", "", ""]
    assert made.names.tolist() == ["sunset|trees", "sunset", "none"]
    assert made.confidence == pytest.approx([0.9**3] * 3)
    assert set(tabulate_scores(made)["label"]) == {"", "sea", "sunset"}


def test_labels_that_are_not_known_count_in_no_score():
    cells = ["sea|sun?", "sun", "none", "sea?|sun"]
    actual = SEVERAL_LABELS.encode(cells, ["sea", "sun"])
    probabilities = np.array([[0.9, 0.8], [0.2, 0.7], [0.6, 0.1], [0.9, 0.2]])
    groups = np.arange(4)
    made = Predictions(actual, probabilities, probabilities >= 0.5, ["sea", "sun"], groups)
    assert made.is_right.tolist() == [True, True, False, False]
    assert made.mistakes == ["", "", "named sea", "missed sun"]
    found = tabulate_scores(made).set_index(["label", "score"])
    expected = {"exact": (1 / 2, 4), "exact_of_complete": (1 / 2, 2)}
    expected |= {"found": (2 / 3, 3), "named_right": (2 / 3, 3)}
    for score, cells in expected.items():
        assert found.loc[("", score), ["value", "images"]].tolist() == list(cells)
    assert found.loc[("sea", "precision"), ["value", "images"]].tolist() == [1 / 2, 2]
    known = [0.9, 0.2, 0.6], [0.7, 0.1, 0.2]
    assert made.losses == pytest.approx(-np.log([0.9, 0.8 * 0.7, 0.4 * 0.9, 0.2]))
    # Scores of a label are those of the photos of which it is known.
    truths = [1, 0, 0], [1, 0, 1]
    for label, probability, truth in zip(made.labels, known, truths):
        area = average_precision_score(truth, probability)
        assert found.loc[(label, "average_precision"), "value"] == pytest.approx(area)
    assert tabulate_reliability(made)["images"].sum() == 6
    complete = Predictions(actual == 1, probabilities, made.predicted, made.labels, groups)
    assert "exact_of_complete" not in set(tabulate_scores(complete)["score"])
