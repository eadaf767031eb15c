import numpy as np
import pandas as pd
import pytest

from pawprint.evaluation.label_review import cross_validate, find_suspects, tabulate_suspects


@pytest.mark.parametrize("classes", [2, 3])
def test_flipped_labels_are_found_and_the_least_probable_come_first(classes):
    rng = np.random.default_rng(0)
    truth = np.arange(200 * classes) % classes
    features = rng.normal(0, 1, (len(truth), 10 * classes))
    features += 1.5 * np.repeat(np.eye(classes), 10, axis=1)[truth]
    flipped = np.arange(0, len(truth), 25)  # of all classes
    labels = truth.copy()
    labels[flipped] = (labels[flipped] + 1) % classes
    probabilities = cross_validate(features, labels, 5)
    suspects, likely, of_label = find_suspects(labels, probabilities)
    # Only those with at least the average confidence: about half of them, and few others.
    found = np.isin(suspects, flipped)
    assert found.sum() >= len(flipped) / 3
    assert (~found).sum() <= 3
    assert likely[found].tolist() == truth[suspects[found]].tolist()
    assert of_label.tolist() == probabilities[suspects, labels[suspects]].tolist()
    assert (np.diff(of_label) >= 0).all()


def test_image_is_predicted_by_a_model_that_was_not_trained_on_it():
    """One image far from all others: a model trained on it would predict its label."""
    features = np.concatenate([np.tile([[1.0, 0], [-1.0, 0]], (50, 1)), [[1.0, 5.0]]])
    labels = np.append(np.tile([1, 0], 50), 0)
    assert cross_validate(features, labels, 5)[-1, 1] > 0.5


def two(probability: list[float] | np.ndarray) -> np.ndarray:
    """Probabilities of two classes, from that of the second."""
    return np.column_stack([1 - np.asarray(probability), probability])


def test_other_class_must_be_as_probable_as_on_average_for_its_images():
    actual = np.array([0, 0, 0, 1, 1, 1])
    assert find_suspects(actual, two([0.1, 0.1, 0.6, 0.9, 0.9, 0.9]))[0].tolist() == []
    suspects, likely, of_label = find_suspects(actual, two([0.1, 0.1, 0.95, 0.9, 0.9, 0.9]))
    assert (suspects.tolist(), likely.tolist()) == ([2], [1])
    assert of_label == pytest.approx([0.05])


def test_equally_probable_suspects_are_in_order():
    actual = np.repeat([0, 1], 50)
    probability = actual.astype(float)
    wrong = np.arange(0, 100, 9)
    probability[wrong] = 1 - probability[wrong]
    assert find_suspects(actual, two(probability))[0].tolist() == wrong.tolist()


def test_suspects_are_listed_with_their_labels_and_the_likely_ones():
    actual = np.repeat([0, 1, 2], 5)
    probabilities = np.eye(3)[actual] * 0.85 + 0.05
    probabilities[7] = [0.02, 0.08, 0.9]
    images = pd.DataFrame({"path": [f"{each}.jpg" for each in range(15)], "split": "test"})
    images["label"] = np.array(["ant", "bee", "cow"])[actual]
    listed = tabulate_suspects([(images, probabilities)], ["ant", "bee", "cow"])
    assert listed.to_dict("records") == [
        {"path": "7.jpg", "split": "test", "label": "bee", "likely": "cow", "probability": 0.08}
    ]


def test_each_model_has_its_own_thresholds():
    """Beside a confident model, whose average is 0.99, an unsure one would list nothing."""
    actual = np.repeat([0, 1], 20)
    paths = [f"{number}.jpg" for number in range(40)]
    judged = []
    for split, confidence in (("train", 0.7), ("test", 0.99)):
        probability = np.where(actual == 1, confidence, 1 - confidence)
        probability[3] = confidence  # labelled 0
        rows = {"path": paths, "split": split, "label": np.array(["cat", "dog"])[actual]}
        judged.append((pd.DataFrame(rows), two(probability)))
    listed = tabulate_suspects(judged, ["cat", "dog"])
    assert listed[["path", "split"]].values.tolist() == [["3.jpg", "test"], ["3.jpg", "train"]]
    assert listed["probability"].tolist() == pytest.approx([0.01, 0.3])
    pooled = [(pd.concat(each[0] for each in judged), np.concatenate([each[1] for each in judged]))]
    assert tabulate_suspects(pooled, ["cat", "dog"])["split"].tolist() == ["test"]


@pytest.mark.parametrize("images", [1, 2])
def test_class_of_too_few_images_has_no_suspects(images):
    labels = np.array([0] * 5 + [1] * images)
    probabilities = cross_validate(np.eye(len(labels)), labels, 5)
    assert probabilities.shape == (len(labels), 2)
    if images == 1:
        assert find_suspects(labels, probabilities)[0].tolist() == []
