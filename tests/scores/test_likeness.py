"""Test unlabelled photos against the test split, for false alarms and true ones.

Photos are rows of made-up predictions. Some belong to the classes, whose unknown scores differ as
they do for cats and dogs, and some are foreign.
"""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from networks import metadata

from pawprint.scores.evaluation import predictions_in
from pawprint.scores.likeness import LIKE, OTHER, PROPORTIONS, compare_photos
from pawprint.scores.metrics import Predictions

TEST, DRAWS = 500, 150
MODEL = metadata(unknown_threshold=0.6)
MIDDLE, SPREAD = np.array([0.43, 0.46]), 0.05  # mean unknown scores of the two classes


def photos(rng, images: int, second: float = 0.5, foreign: float = 0, unknown: float = 0.005):
    """Return photos, given fractions of the second class, of foreign and of unknown photos."""
    classes = (rng.uniform(size=images) < second).astype(int)
    confidence = np.maximum(1 - rng.exponential(0.02, images), 0.5)
    scores = np.minimum(rng.normal(MIDDLE[classes], SPREAD), 0.6)
    is_unknown = rng.uniform(size=images) < unknown
    is_foreign = np.arange(images) < foreign * images
    is_unknown |= is_foreign & (rng.uniform(size=images) < 0.7)
    scores = np.where(is_foreign, 0.57, scores)
    scores = np.where(is_unknown, 0.65, scores)
    confidence = np.where(is_foreign, rng.uniform(0.5, 1, images), confidence)
    of_second = np.where(classes == 1, confidence, 1 - confidence)
    probabilities = {"probability_cat": 1 - of_second, "probability_dog": of_second}
    predicted = np.array(MODEL.labels)[classes]
    return pd.DataFrame(
        {"actual": "", "predicted": predicted, **probabilities, "unknown_score": scores}
    )


def predictions(table: pd.DataFrame, model=MODEL) -> Predictions:
    return predictions_in(table.assign(group=table.index), model)


def verdicts(draws: int, images: int, **kind: float) -> Counter:
    rng = np.random.default_rng(0)
    pairs = ((photos(rng, images, **kind), photos(rng, TEST)) for _ in range(draws))
    return Counter(compare_photos(*map(predictions, pair)).verdict for pair in pairs)


@pytest.mark.parametrize(
    ("images", "unknown"),
    [(100, 0.005), pytest.param(200, 0.012, marks=pytest.mark.extended)],
)
def test_photos_of_the_same_kind_seldom_raise_an_alarm(images, unknown):
    """This includes a rate of 1.2 % called unknown, compared with 0.5 % of the test photos."""
    assert verdicts(DRAWS, images, unknown=unknown)[LIKE] >= 0.95 * DRAWS


@pytest.mark.parametrize(
    ("kind", "expected"), [({"foreign": 0.1}, OTHER), ({"second": 0.2}, PROPORTIONS)]
)
def test_foreign_photos_and_other_proportions_are_told_apart(kind, expected):
    assert verdicts(15, 100, **kind)[expected] >= 12


def test_small_difference_is_no_alarm_with_any_number_of_photos():
    counts = verdicts(20, 20_000, unknown=0.012, second=0.55)
    assert counts[LIKE] == 20


def test_photos_of_which_the_model_is_surer_are_no_other_images():
    """This applies to training photos, on which the model is more confident."""
    rng = np.random.default_rng(0)
    test, like = (predictions(photos(rng, TEST, unknown=0)) for _ in range(2))
    for direction, expected in ((-1, OTHER), (1, LIKE)):
        probabilities = like.probabilities.copy()
        probabilities[np.arange(TEST), like.predicted] += 0.04 * direction
        changed = like._replace(probabilities=probabilities)
        assert compare_photos(changed, test).verdict == expected


def test_model_without_a_detector_is_judged_by_classes_and_confidence():
    rng, model = np.random.default_rng(0), metadata()
    test = predictions(photos(rng, TEST).drop(columns="unknown_score"), model)
    foreign = predictions(photos(rng, 200, foreign=0.5).drop(columns="unknown_score"), model)
    verdict, different, scores = compare_photos(foreign, test)
    assert [*scores["score"].unique()] == ["predicted", "mean confidence"]
    assert (verdict, different) == (OTHER, ["mean confidence"])
