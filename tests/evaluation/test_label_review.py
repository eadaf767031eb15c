import numpy as np
import pytest

from pawprint.evaluation.label_review import find_suspects, predict_training


def test_flipped_labels_are_found_and_the_least_probable_come_first():
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2
    features = rng.normal(0, 1, (400, 20)) + 1.5 * truth[:, None]
    flipped = np.arange(0, 400, 25)  # of both classes
    labels = truth.copy()
    labels[flipped] = 1 - labels[flipped]
    probability = predict_training(features, labels, 5)
    suspects, of_label = find_suspects(labels, probability)
    # Only those with at least the average confidence: about half of them, and few others.
    assert len(set(flipped) & set(suspects)) >= len(flipped) / 3
    assert len(set(suspects) - set(flipped)) <= 2
    assert (
        of_label.tolist() == np.where(labels == 1, probability, 1 - probability)[suspects].tolist()
    )
    assert (np.diff(of_label) >= 0).all()


def test_image_is_predicted_by_a_model_that_was_not_trained_on_it():
    """One image far from all others: a model trained on it would predict its label."""
    features = np.concatenate([np.tile([[1.0, 0], [-1.0, 0]], (50, 1)), [[1.0, 5.0]]])
    labels = np.append(np.tile([1, 0], 50), 0)
    assert predict_training(features, labels, 5)[-1] > 0.5


def test_other_class_must_be_as_probable_as_on_average_for_its_images():
    actual = np.array([0, 0, 0, 1, 1, 1])
    assert find_suspects(actual, np.array([0.1, 0.1, 0.6, 0.9, 0.9, 0.9]))[0].tolist() == []
    suspects, of_label = find_suspects(actual, np.array([0.1, 0.1, 0.95, 0.9, 0.9, 0.9]))
    assert suspects.tolist() == [2]
    assert of_label == pytest.approx([0.05])


def test_equally_probable_suspects_are_in_order():
    actual = np.repeat([0, 1], 50)
    probability = actual.astype(float)
    wrong = np.arange(0, 100, 9)
    probability[wrong] = 1 - probability[wrong]
    assert find_suspects(actual, probability)[0].tolist() == wrong.tolist()


@pytest.mark.parametrize("images", [1, 2])
def test_class_of_too_few_images_has_no_suspects(images):
    labels = np.array([0] * 5 + [1] * images)
    probability = predict_training(np.eye(len(labels)), labels, 5)
    assert probability.shape == labels.shape
    if images == 1:
        assert find_suspects(labels, probability)[0].tolist() == []
