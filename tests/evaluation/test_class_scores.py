import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from pawprint.evaluation.class_scores import NAMES, class_scores

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_scores_are_scikit_learns_also_for_images_that_count_several_times(classes):
    actual = np.arange(80) % classes
    logits = np.round(RNG.normal(0, 1, (80, classes)) + 1.5 * np.eye(classes)[actual], 1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    weights = RNG.integers(1, 4, (3, 80)).astype(float)
    found = class_scores(actual, predicted, probabilities)(weights)
    assert found.shape == (len(NAMES), 1 + classes, 3)
    for number, weight in enumerate(weights):
        times = np.repeat(np.arange(80), weight.astype(int))
        expected = precision_recall_fscore_support(actual[times], predicted[times])[:3]
        assert found[:3, 1:, number] == pytest.approx(np.array(expected))
        areas = [
            roc_auc_score(actual[times] == each, probabilities[times, each])
            for each in ([1, 1] if classes == 2 else range(classes))
        ]
        assert found[3, 1:, number] == pytest.approx(areas)
    assert found[:, 0] == pytest.approx(found[:, 1:].mean(axis=1))


def test_class_that_is_never_predicted_scores_0_and_not_nan():
    actual = np.array([0, 1, 2, 2])
    probabilities = np.tile([0.5, 0.3, 0.2], (4, 1))
    found = class_scores(actual, np.zeros(4, int), probabilities)(np.ones((1, 4)))[..., 0]
    assert found[:3, 3].tolist() == [0, 0, 0]
    assert found[3].tolist() == [0.5] * 4  # all are ties


def test_small_probabilities_of_two_classes_are_no_ties():
    """1 - 1e-20 is 1 in float64."""
    second = np.array([1e-20, 1e-19, 1e-18, 1e-17])
    probabilities = np.column_stack([1 - second, second])
    found = class_scores(np.array([0, 0, 1, 1]), np.zeros(4, int), probabilities)(np.ones((1, 4)))
    assert found[3, :, 0].tolist() == [1, 1, 1]
