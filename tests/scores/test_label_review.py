from collections import Counter

import numpy as np
import pandas as pd
import pytest

from pawprint.base.columns import LABELS_TO_REVIEW
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.network.cross_validation import Examples, cross_validate
from pawprint.scores.label_review import judge, list_suspects, without_weights


def suspects(
    label: list[str],
    probabilities: list[list[float]],
    reviewed: tuple[str, ...] = (),
    contradictions: tuple[tuple[str, str], ...] = (),
) -> pd.DataFrame:
    """Return suspects among images of ant, bee and cow, or among the first of them."""
    paths = [f"{number}.jpg" for number in range(len(label))]
    images = pd.DataFrame({"path": paths, "label": label, "pixels_sha256": label})
    classes = ["ant", "bee", "cow"][: len(probabilities[0])]
    judged = judge(images, np.array(probabilities), classes)
    splits = np.resize(["train", "test"], len(label))
    return list_suspects(judged.assign(split=splits), reviewed, contradictions)


def test_labels_below_a_tenth_are_listed_the_least_probable_first():
    of_two = [[0.08, 0.92], [0.11, 0.89], [0.97, 0.03], [0.0, 1.0], [0.5, 0.5]]
    table = suspects(["ant", "ant", "bee", "bee", "ant"], of_two)
    assert table[list(LABELS_TO_REVIEW)].values.tolist() == [
        ["2.jpg", "bee", "ant", "train", 0.03, "", "bee"],
        ["0.jpg", "ant", "bee", "train", 0.08, "", "ant"],
    ]


def test_image_of_which_no_class_is_probable_is_not_listed():
    of_three = [[0.05, 0.48, 0.47], [0.05, 0.35, 0.6]]
    table = suspects(["ant", "ant"], of_three)
    assert table[["path", "likely"]].values.tolist() == [["1.jpg", "cow"]]


def test_label_that_a_person_has_given_is_not_listed_again():
    of_two = [[0.01, 0.99], [0.98, 0.02], [0.03, 0.97]]
    assert len(suspects(["ant", "bee", "ant"], of_two)) == 3
    table = suspects(["ant", "bee", "ant"], of_two, ("0.jpg", "bee"))
    assert table["path"].tolist() == ["2.jpg"]


def test_both_of_near_duplicates_with_different_labels_stand_first_pair_by_pair():
    """As in pratikkayal/PlantDoc-Dataset 4, where two folders have the same plants, resized."""
    of_two = [[0.9, 0.1], [0.2, 0.8], [0.01, 0.99], [0.1, 0.9], [0.3, 0.7]]
    label = ["ant", "bee", "ant", "bee", "ant"]
    pairs = (("0.jpg", "3.jpg"), ("3.jpg", "0.jpg"), ("1.jpg", "4.jpg"), ("4.jpg", "1.jpg"))
    table = suspects(label, of_two, contradictions=pairs)
    assert table[["path", "contradicts"]].values.tolist() == [
        *(["4.jpg", "1.jpg"], ["1.jpg", "4.jpg"]),
        *(["0.jpg", "3.jpg"], ["3.jpg", "0.jpg"]),
        ["2.jpg", ""],
    ]
    table = suspects(label, of_two, ("4.jpg",), pairs)
    assert "4.jpg" not in table["path"].tolist()
    assert "1.jpg" in table["path"].tolist()


def found_with(class_weight: str | None, seed: int) -> int:
    """Return how many of 12 wrong labels are listed, of classes with 200, 20 and 20 images."""
    rng = np.random.default_rng(seed)
    true = np.repeat([0, 1, 2], [200, 20, 20])
    features = 0.33 * rng.normal(size=(3, 60))[true] + rng.normal(size=(240, 60))
    wrong = rng.choice(240, 12, replace=False)
    actual = true.copy()
    actual[wrong] = (true[wrong] + rng.integers(1, 3, 12)) % 3
    features = {False: features[:, None].astype(np.float32)}
    keys = np.array([f"{number:02x}" for number in rng.permutation(240)])
    examples = Examples(features, actual, keys, keys, ["a", "b", "c"], class_weight)
    images = pd.DataFrame({"path": keys, "label": np.array(examples.labels)[actual]})
    probabilities = cross_validate(examples).probabilities
    judged = judge(images.assign(pixels_sha256=keys), probabilities, examples.labels)
    if class_weight:
        judged = without_weights(judged, Counter(judged["label"]))
    listed = list_suspects(judged.assign(split="train"))
    return int(listed["path"].isin(keys[wrong]).sum())


@pytest.mark.slow
def test_wrong_labels_are_found_with_class_weights_as_without():
    found = {
        weight: np.mean([found_with(weight, seed) for seed in range(20)])
        for weight in (None, "balanced")
    }
    assert found["balanced"] >= found[None] > 7


def suspects_of_labels(cells: list[str], probabilities: np.ndarray, **columns: object) -> list[str]:
    """Return the paths and the suggestions for photos that can show sea and sun."""
    paths = [f"{number}.jpg" for number in range(len(cells))]
    images = pd.DataFrame({"path": paths, "label": cells, "pixels_sha256": paths})
    judged = judge(images, probabilities, ["sea", "sun"], SEVERAL_LABELS)
    pairs = (("0.jpg", "1.jpg"), ("1.jpg", "0.jpg"))
    table = list_suspects(judged.assign(**{"split": "validation"} | columns), ("1.jpg",), pairs)
    return (table["path"].str[:-4] + " " + table["likely"]).tolist()


def test_rows_of_a_photo_stand_together_and_contradictions_take_no_turn():
    cells = ["sea|sun", "sea", "none", "sea", "none", "sea", "sea", "sun", "sea", "sun"]
    surely = [[0.5, 0.5], [0.5, 0.5], [0.94, 0.8], [0.01, 0.99], [0.93, 0.1], [0.03, 0.1]]
    usual = [[0.9, 0.1], [0.1, 0.9]] * 2
    assert suspects_of_labels(cells, np.array(surely + usual)) == [
        *("0 remove sun", "3 remove sea", "3 add sun", "2 add sea", "2 add sun"),
        *("5 remove sea", "4 add sea"),
    ]


def test_a_label_of_one_group_alone_is_not_listed_because_no_fold_has_learned_it():
    cells = ["none", "none", "sun", "sun", "sea", "sea"]
    probabilities = np.array([[0.1, 0.1]] * 6)
    groups = np.array([*"abccde"])
    found = suspects_of_labels(cells, probabilities, split="train", group=groups)
    assert "2 remove sun" not in found
