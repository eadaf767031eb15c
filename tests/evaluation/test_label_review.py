import numpy as np
import pytest

from pawprint.core.params import Review
from pawprint.evaluation.label_review import predict_training, suspect


def test_flipped_labels_are_found_and_the_surest_come_first():
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2
    features = rng.normal(0, 1, (400, 20)) + 1.5 * truth[:, None]
    flipped = np.arange(0, 400, 25)  # of both classes
    labels = truth.copy()
    labels[flipped] = 1 - labels[flipped]
    probability = predict_training(Review(folds=5), features, labels)
    suspected = suspect(labels, probability)
    # Those of which the classifier is as sure as it usually is: about half of them, and few others.
    assert len(set(flipped) & set(suspected)) >= len(flipped) / 3
    assert len(set(suspected) - set(flipped)) <= 2
    own = np.where(labels == 1, probability, 1 - probability)[suspected]
    assert (np.diff(own) >= 0).all()


def test_image_is_judged_by_what_did_not_learn_from_it():
    """One image apart from all others: who learnt from it would believe its label."""
    features = np.concatenate([np.tile([[1.0, 0], [-1.0, 0]], (50, 1)), [[1.0, 5.0]]])
    labels = np.append(np.tile([1, 0], 50), 0)
    assert predict_training(Review(folds=5), features, labels)[-1] > 0.5


def test_suspicion_needs_the_other_class_to_be_as_sure_as_for_its_own_images():
    actual = np.array([0, 0, 0, 1, 1, 1])
    assert suspect(actual, np.array([0.1, 0.1, 0.6, 0.9, 0.9, 0.9])).tolist() == []
    assert suspect(actual, np.array([0.1, 0.1, 0.95, 0.9, 0.9, 0.9])).tolist() == [2]


@pytest.mark.parametrize("images", [1, 2])
def test_class_of_too_few_images_suspects_nothing(images):
    labels = np.array([0] * 5 + [1] * images)
    probability = predict_training(Review(folds=5), np.eye(len(labels)), labels)
    assert probability.shape == labels.shape
    if images == 1:
        assert suspect(labels, probability).tolist() == []
