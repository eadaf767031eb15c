"""Each sentence is said of a run that deserves it, and none of one that does not."""

import numpy as np
import pandas as pd
import pytest

from pawprint.columns import METADATA, NEAR_DUPLICATES, SCORES
from pawprint.scores import limits
from pawprint.scores.limits import Run, find_limits
from pawprint.scores.review import judge
from pawprint.scores.slices import measure_slices
from pawprint.tables import tabulate

LABELS = ["a", "b", "c"]
NUMBERS = {"train": 300, "validation": 100, "test": 100}
SEPARATE = 4 * np.eye(3)
NONE_ALIKE = pd.DataFrame(columns=list(NEAR_DUPLICATES))
CONFUSED = np.array([[4, 3.6, 0], [3.6, 4, 0], [0, 0, 5]])  # logits by class


def run_of(
    centres: np.ndarray = SEPARATE,
    portions: tuple = (1 / 3, 1 / 3, 1 / 3),
    relabelled: float = 0,
    side: int = 500,
    train_accuracy: float = 1.0,
    gain: float = 0.01,
) -> Run:
    """A run whose probabilities are calibrated, except for labels that are changed afterwards."""
    rng = np.random.default_rng(0)
    parts, predictions = [], {}
    for split, number in NUMBERS.items():
        shown = rng.choice(3, number, p=portions)
        weights = np.exp(centres[shown] + rng.normal(0, 1, (number, 3)))
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        actual = (rng.uniform(size=(number, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
        is_changed = rng.uniform(size=number) < relabelled
        actual = np.where(is_changed, (actual + 1) % 3, actual)
        images = pd.DataFrame({"label": np.array(LABELS)[actual], "split": split})
        images["path"] = images["group"] = [f"{split}/{image}.jpg" for image in range(number)]
        images = images.assign(pixels_sha256="0", width=side, height=side + 100)
        images["brightness"] = rng.normal(100, 20, number)
        parts.append(images)
        if split == "train":
            judged = judge(images, probabilities, LABELS)
        else:
            classes = probabilities.argmax(axis=1)
            predictions[split] = tabulate(images, probabilities, classes, LABELS)
    scores = pd.DataFrame(columns=list(SCORES))
    tables = pd.concat(parts), judged, predictions, scores
    curve = pd.DataFrame({"images": [150, 300], "score": "accuracy", "gain": [None, gain]})
    curve = curve.assign(low=curve["gain"] - 0.02, high=curve["gain"] + 0.02)
    return Run(*tables, train_accuracy, 224, curve, NONE_ALIKE, None)


def with_chance() -> Run:
    run = run_of()
    guesses = run.predictions["test"].assign(actual=np.resize(LABELS, NUMBERS["test"]))
    return run._replace(predictions=run.predictions | {"test": guesses})


def with_shift() -> Run:
    row = ("test", "", "accuracy_difference", -0.4, -0.5, -0.3, 47)
    return run_of()._replace(scores=pd.DataFrame([row], columns=list(SCORES)))


def with_doubt() -> Run:
    """31 of 50 and 83 of 100, p = .008, which the rows of `compare_splits` do not call an alarm."""
    run, tables = run_of(), {}
    for split, right, images in (("test", 31, 50), ("validation", 83, 100)):
        actual = np.where(np.arange(images) < right, "a", "b")
        table = run.predictions[split].iloc[:images]
        tables[split] = table.assign(predicted="a", actual=actual)
    return run._replace(predictions=tables)


def renamed(run: Run, paths: list[str], **columns) -> Run:
    new = dict(zip(run.images["path"], paths))
    predictions = {
        split: table.assign(path=table["path"].map(new)) for split, table in run.predictions.items()
    }
    return run._replace(images=run.images.assign(path=paths, **columns), predictions=predictions)


def with_divided_series() -> Run:
    run = run_of()
    paths = run.images["path"].to_numpy(object)
    of_a = np.flatnonzero(run.images["label"] == "a")
    paths[of_a[[0, 1, -1]]] = [f"a/film_{frame}.jpg" for frame in range(3)]
    alike = NONE_ALIKE.assign(path=["a/film_0.jpg"], nearest=["a/film_1.jpg"])
    return renamed(run, paths)._replace(near_duplicates=alike)


def with_series() -> Run:
    images = run_of().images
    series = np.repeat(np.arange(100), 5)
    paths = images["label"] + "/" + pd.Series(series, images.index).astype(str) + "_"
    paths += pd.Series(np.arange(500), images.index).astype(str) + ".jpg"
    return renamed(run_of(), list(paths), group=paths)._replace(accuracy_by_series=0.5)


def with_shortcut() -> Run:
    run = run_of()
    values = run.images["label"].map({"a": 50.0, "b": 100.0, "c": 150.0})
    return run._replace(images=run.images.assign(brightness=values))


def with_slice() -> Run:
    paths = [f"{number}.jpg" for number in range(100)]
    test = pd.DataFrame({"path": paths, "group": paths, "correct": np.arange(100) >= 25})
    cells = [(path, "camera", "ab"[number < 30]) for number, path in enumerate(paths)]
    slices = measure_slices(test, pd.DataFrame(cells, columns=list(METADATA)), 0.95)
    return run_of()._replace(scores=slices.assign(split="test"))


RARE = np.array([[6, 0, 0], [0, 6, 0], [3, 3, 3.4]])


@pytest.mark.parametrize(
    ("limit", "run"),
    [
        (limits.no_better_than_one_class, with_chance()),
        (limits.test_of_another_kind, with_shift()),
        (limits.test_of_another_kind, with_doubt()),
        (limits.divided_series, with_divided_series()),
        (limits.divided_series, with_series()),
        (limits.shortcut, with_shortcut()),
        (limits.wrong_labels, run_of(centres=6 * np.eye(3), relabelled=0.06)),
        (limits.more_images_help, run_of(gain=0.05)),
        (limits.too_weak_features, run_of(centres=1.5 * np.eye(3), train_accuracy=0.65)),
        (limits.confused_classes, run_of(centres=CONFUSED)),
        (limits.weak_classes, run_of(centres=RARE, portions=(0.46, 0.46, 0.08))),
        (limits.worse_slices, with_slice()),
        (limits.small_images, run_of(side=64)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_run_that_deserves_a_sentence_gets_it(limit, run):
    assert limit in limits.LIMITS
    assert limit(run).sentence in [result.sentence for result in find_limits(run)]


def test_run_without_a_fault_gets_no_sentence():
    for run in (run_of(), run_of(centres=6 * np.eye(3), train_accuracy=0.99)):
        assert find_limits(run) == []


def test_a_person_is_asked_only_if_folds_do_not_tell_the_classes_apart_either():
    run = with_chance()
    assert "a person" not in limits.no_better_than_one_class(run).sentence
    guessed = run.judged.assign(probability=np.arange(300) % 3 / 2, likely_probability=0.6)
    sentence = limits.no_better_than_one_class(run._replace(judged=guessed)).sentence
    assert "a person" in sentence


def test_head_that_epochs_trained_too_little_says_nothing_of_features():
    assert limits.too_weak_features(run_of(train_accuracy=0.6)) is None


def test_model_that_is_too_sure_of_held_out_images_says_nothing_of_labels():
    run = run_of()
    sure = {
        name: table.assign(
            **{f"probability_{label}": table["predicted"] == label for label in LABELS}
        )
        for name, table in run.predictions.items()
    }
    assert limits.wrong_labels(run._replace(predictions=sure)) is None


def test_classes_are_named_only_where_their_recall_is_lower():
    assert limits.weak_classes(run_of(centres=1.5 * np.eye(3))) is None
    assert ": c (" in limits.weak_classes(run_of(RARE)).sentence


def test_most_confused_classes_are_those_of_the_photos():
    confused = limits.confused_classes(run_of(centres=CONFUSED)).confused
    assert sorted(confused) == ["a", "b"]
