"""Test that limits are ordered by their cost, and that an artificial limit comes first."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from pawprint.decoding.row import perceptual_hash
from pawprint.scores import limits
from pawprint.scores.label_review import judge, list_suspects
from pawprint.scores.limits import RunData, Size, find_limits, rank_limits
from pawprint.scores.prediction_table import tabulate

LABELS = ["a", "b", "c", "d"]
NUMBERS = {"train": 288, "validation": 96, "test": 96}
SEPARATE = 4 * np.eye(4)
ALIKE = SEPARATE.copy()
ALIKE[0, 1] = ALIKE[1, 0] = 4


def run_of(
    centres: np.ndarray = SEPARATE,
    portions: tuple = (1 / 4, 1 / 4, 1 / 4, 1 / 4),
    wrong_labels: float = 0,
    side: int = 500,
    train_accuracy: float = 1.0,
    gain: float = 0.02,
    sharpness: float = 1.0,
    seed: int = 0,
) -> RunData:
    """Return a run whose probabilities are calibrated, except for labels that are changed later.

    `centres` are logits `(classes, classes)` by the true class.
    """
    rng = np.random.default_rng(seed)
    parts, predictions, judged = [], {}, {}
    for split, number in NUMBERS.items():
        shown = rng.choice(4, number, p=portions)
        weights = np.exp(centres[shown] + rng.normal(0, 1, (number, 4)))
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        actual = (rng.uniform(size=(number, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
        is_changed = rng.uniform(size=number) < wrong_labels
        actual = np.where(is_changed, (actual + rng.integers(1, 4, number)) % 4, actual)
        weights = probabilities**sharpness
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        images = pd.DataFrame({"label": np.array(LABELS)[actual], "split": split})
        images["path"] = images["group"] = [f"{split}/{image}.jpg" for image in range(number)]
        images = images.assign(width=side, height=side + 100)
        images["pixels_sha256"] = [f"{rng.integers(2**32):064x}" for _ in range(number)]
        images["perceptual_hash"] = [rng.bytes(32).hex() for _ in range(number)]
        images["brightness"] = rng.normal(100, 20, number)
        parts.append(images)
        judged[split] = judge(images, probabilities, LABELS)
        if split != "train":
            classes = probabilities.argmax(axis=1)
            predictions[split] = tabulate(images, probabilities, classes, LABELS)
    tables = pd.concat(parts, ignore_index=True), judged["train"], predictions
    curve = pd.DataFrame({"images": [115, 230], "score": "accuracy", "gain": [None, gain]})
    curve = curve.assign(low=curve["gain"] - 0.04, high=curve["gain"] + 0.04)
    to_review = list_suspects(pd.concat(judged.values()))
    return RunData(*tables, train_accuracy, curve, {}, to_review)


DRAWS = 3


@pytest.fixture(scope="module")
def usual() -> list[str]:
    """Return the first limits of runs without an artificial limit."""
    return [first_of(run_of(gain=0.05, seed=seed)) for seed in range(DRAWS)]


def first_of(run: RunData) -> str:
    return rank_limits(run)[0].sentence


@pytest.mark.parametrize(
    ("planted", "how"),
    [
        ("Correcting labels would save ", {"wrong_labels": 0.1}),
        (("Distinguishing a from b ", "Distinguishing b from a "), {"centres": ALIKE}),
    ],
)
def test_planted_limit_is_the_first_and_is_not_where_it_is_not_planted(planted, how, usual):
    firsts = [first_of(run_of(**how, seed=seed)) for seed in range(DRAWS)]
    assert sum(sentence.startswith(planted) for sentence in firsts) == DRAWS, firsts
    assert all(sentence.startswith("More images would save ") for sentence in usual), usual


def test_class_with_a_tenth_of_the_images_is_the_first_though_it_has_few_errors():
    """The class has 15 of 480 images, a third of which are predicted correctly."""
    rare = np.array([[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 5, 0], [1.2, 1.2, 1.2, 2.0]])
    runs = [run_of(rare, (0.32, 0.32, 0.32, 0.04), gain=0.04, seed=seed) for seed in range(DRAWS)]
    firsts = [first_of(run) for run in runs]
    assert sum("A recall of" in sentence for sentence in firsts) == DRAWS


def test_order_is_the_same_after_one_label_is_corrected():
    """The image with the least probable label is corrected."""
    run = run_of(wrong_labels=0.2, gain=0.05)
    row = run.judged["probability"].idxmin()
    path = run.judged["path"][row]
    judged = run.judged.copy()
    columns = ["label", "likely", "probability", "likely_probability"]
    swapped = ["likely", "label", "likely_probability", "probability"]
    judged.loc[row, columns] = judged.loc[row, swapped].to_numpy()
    to_review = run.to_review[run.to_review["path"] != path]
    corrected = run._replace(judged=judged, to_review=to_review)
    kinds = [[limit.sentence.split()[0] for limit in rank_limits(of)] for of in (run, corrected)]
    assert kinds[0] == kinds[1] and len(kinds[0]) > 1


@pytest.mark.parametrize("gain", [0.07, 0.13])
def test_sizes_that_differ_by_chance_are_in_one_order(gain):
    """Two similar classes cost about 10 errors. More images would save slightly more or fewer."""
    starts = [limit.sentence.split()[0] for limit in rank_limits(run_of(ALIKE, gain=gain))]
    assert starts[:2] == ["Distinguishing", "More"]
    starts = [limit.sentence.split()[0] for limit in rank_limits(run_of(ALIKE, gain=0.4))]
    assert starts[:2] == ["More", "Distinguishing"]


def test_probabilities_that_are_too_sure_or_unsure_are_no_wrong_labels():
    for sharpness in (0.5, 2.0):
        run = run_of(sharpness=sharpness)
        found = limits.wrong_labels(run)
        assert found is None or found.size.expected < 2


def test_labels_that_a_person_has_confirmed_are_not_doubted():
    run = run_of(wrong_labels=0.1)
    assert limits.wrong_labels(run).size.expected > 5
    confirmed = run._replace(to_review=run.to_review[:0])
    found = limits.wrong_labels(confirmed)
    assert found is None or found.size.expected < 3


def test_two_classes_count_as_confused_only_in_both_directions():
    """All images of b are taken for a, but none of a for b, so b is a weak class."""
    run = run_of()
    assert limits.confused_classes(run_of(centres=ALIKE)).size.expected > 5
    predictions = {
        split: table.assign(predicted=np.where(table["actual"] == "b", "a", table["actual"]))
        for split, table in run.predictions.items()
    }
    is_b = run.judged["label"] == "b"
    judged = run.judged.assign(
        likely=np.where(is_b, "a", "c"),
        probability=np.where(is_b, 0.1, 0.8),
        likely_probability=np.where(is_b, 0.8, 0.1),
    )
    one_way = run._replace(predictions=predictions, judged=judged)
    assert str(limits.confused_classes(one_way).size) == "less than one error"
    assert limits.weak_class(one_way).sentence.startswith("A recall of b ")


def test_size_is_reduced_by_what_chance_adds():
    assert Size(10, 9, 11).expected == pytest.approx(10, abs=0.1)
    assert Size(10, -20, 40).expected == Size(-1, -2, 0).expected == 0
    assert 4 < Size(10, 0.5, 19.5).expected < 7


def hashes_of(width: int, colour: int, seed: int) -> list[str]:
    """Return hashes of smooth noise, with a border of this width inside the picture, if any."""
    rng, hashes = np.random.default_rng(seed), []
    for _ in range(30):
        noise = Image.fromarray(rng.integers(0, 256, (6, 8), np.uint8)).resize((320, 240), 3)
        inner = noise.crop((width, width, 320 - width, 240 - width))
        hashes.append(perceptual_hash(ImageOps.expand(inner, width, colour)))
    return hashes


@pytest.mark.parametrize(
    ("width", "colour"), [(10, 0), (10, 255), (20, 0)], ids=["dark", "bright", "wide"]
)
def test_class_with_a_border_is_known_by_it(width, colour):
    run, hashes = run_of(), np.resize(hashes_of(0, 0, 0), 480)
    without = run._replace(images=run.images.assign(perceptual_hash=hashes))
    assert limits.shortcut(without) is None
    with_border = np.resize(hashes_of(width, colour, 1), 480)
    hashes = np.where(run.images["label"] == "c", with_border, hashes)
    found = find_limits(run._replace(images=run.images.assign(perceptual_hash=hashes)))
    assert "of c can be recognized from border alone" in found.unmeasured[0].sentence


@pytest.mark.parametrize(
    ("name", "seen", "values"),
    [("brightness", "brightness", [10.0, 300.0]), ("width", "aspect ratio", [540, 500])],
)
def test_class_of_files_of_its_own_is_known_by_them(name, seen, values):
    run = run_of()
    column = np.where(run.images["label"] == "c", *values)
    sentence = limits.shortcut(run._replace(images=run.images.assign(**{name: column}))).sentence
    assert f" of c can be recognized from {seen}" in sentence
