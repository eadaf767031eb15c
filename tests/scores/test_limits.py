"""Test that limits are ordered by their cost, and that an artificial limit comes first."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS
from pawprint.given.decoding.content import measure_colour, perceptual_hash
from pawprint.scores import limits
from pawprint.scores.label_review import judge, list_suspects
from pawprint.scores.limits import find_limits, rank_limits
from pawprint.scores.metrics import Predictions
from pawprint.scores.prediction_table import judged_predictions, tabulate, with_confidence
from pawprint.scores.results import Results

LABELS = ["a", "b", "c", "d"]
NUMBERS = {"train": 288, "validation": 96, "test": 96}
SEPARATE = 4 * np.eye(4)
ALIKE = SEPARATE.copy()
ALIKE[0, 1] = ALIKE[1, 0] = 4
METADATA = {"thresholds": {}, "crop_rule": None}
FITTED = {"extract": pd.DataFrame({"epoch": [0]}), "finetune": pd.DataFrame({"kept": []})}
OF_LIMITS = Results(*[None] * len(Results._fields))._replace(
    choices={}, question="", slices=(), **FITTED
)
WITH_THRESHOLDS = METADATA | {"thresholds": {"a": 0.3}}


def run_of(
    centres: np.ndarray = SEPARATE,
    portions: tuple = (1 / 4, 1 / 4, 1 / 4, 1 / 4),
    gain: float = 0.02,
    seed: int = 0,
) -> Results:
    """Return a run whose probabilities are calibrated.

    `centres` are logits `(classes, classes)` by the true class.
    """
    rng = np.random.default_rng(seed)
    parts, predictions, judged = [], {}, {}
    for split, number in NUMBERS.items():
        shown = rng.choice(4, number, p=portions)
        weights = np.exp(centres[shown] + rng.normal(0, 1, (number, 4)))
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        actual = (rng.uniform(size=(number, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
        images = pd.DataFrame({"label": np.array(LABELS)[actual], "split": split})
        images["path"] = images["group"] = [f"{split}/{image}.jpg" for image in range(number)]
        images = images.assign(width=500, height=600)
        images["pixels_sha256"] = [f"{rng.integers(2**32):064x}" for _ in range(number)]
        images["perceptual_hash"] = [rng.bytes(32).hex() for _ in range(number)]
        images["brightness"] = rng.normal(100, 20, number)
        images["colour"] = 30.0
        parts.append(images)
        judged[split] = judge(images, probabilities, LABELS)
        if split == "train":
            predictions[split] = judged_predictions(judged[split])
        else:
            predicted = probabilities.argmax(axis=1), LABELS, images["path"].to_numpy()
            table = tabulate(images, Predictions(actual, probabilities, *predicted))
            predictions[split] = with_confidence(table)
    curve = pd.DataFrame({"images": [115, 230], "score": "accuracy", "gain": [None, gain]})
    curve = curve.assign(low=curve["gain"] - 0.04, high=curve["gain"] + 0.04)
    to_review = list_suspects(pd.concat(judged.values()))
    return OF_LIMITS._replace(
        label_kind=ONE_CLASS,
        images=pd.concat(parts, ignore_index=True),
        predictions=predictions,
        curve=curve,
        to_review=to_review,
        metadata=METADATA,
    )


DRAWS = 3


def first_of(run: Results) -> str:
    return rank_limits(run)[0].sentence


def test_two_classes_that_are_alike_are_the_first_limit_and_only_if_they_are_alike():
    for seed in range(DRAWS):
        alike = first_of(run_of(ALIKE, seed=seed))
        assert alike.startswith(("Distinguishing a from b ", "Distinguishing b from a "))
        assert first_of(run_of(gain=0.05, seed=seed)).startswith("Twice as many images would ")


def test_class_with_a_tenth_of_the_images_is_the_first_though_it_has_few_errors():
    """The class has 15 of 480 images, a third of which are predicted correctly."""
    rare = np.array([[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 5, 0], [1.2, 1.2, 1.2, 2.0]])
    runs = [run_of(rare, (0.32, 0.32, 0.32, 0.04), gain=0.04, seed=seed) for seed in range(DRAWS)]
    firsts = [first_of(run) for run in runs]
    assert sum("A recall of" in sentence for sentence in firsts) == DRAWS


def test_limits_are_ordered_by_their_errors_and_those_by_chance_come_last():
    for gain in (0.05, 0.4):
        limits_of_run = find_limits(run_of(ALIKE, gain=gain))
        sizes = [limit.size for limit in limits_of_run.sized]
        for shown in (True, False):
            errors = [size.errors for size in sizes if size.is_shown == shown]
            assert errors == sorted(errors, reverse=True)
        by_chance = [not size.is_shown for size in sizes]
        assert by_chance == sorted(by_chance)
    assert limits_of_run.sized[0].sentence.startswith("Twice as many images would save 40.0 errors")


def test_with_thresholds_only_predictions_that_follow_them_count():
    run = run_of(ALIKE)
    every, of_model = run.held_out, run._replace(metadata=WITH_THRESHOLDS).held_out
    assert (every["split"] == "train").sum() == NUMBERS["train"]
    held_out = every[every["split"] != "train"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_model[[*every]], held_out)
    few = {name: table[table["actual"].isin(["a", "b"])] for name, table in run.predictions.items()}
    first = rank_limits(run._replace(metadata=WITH_THRESHOLDS, predictions=few))[0]
    assert first.sentence.startswith(("A recall of a ", "A recall of b ", "Twice"))  # no pair


def test_limits_without_half_an_error_are_left_out():
    for gain, is_listed in ((0.0049, False), (0.0051, True)):
        sentences = [limit.sentence for limit in rank_limits(run_of(gain=gain))]
        assert any(each.startswith("Twice as many") for each in sentences) == is_listed


def drawn_run(
    run: Results, rng: np.random.Generator, images: list[int], errors: list[float]
) -> Results:
    """Return a run with these images and error rates; an error is any other class, at random."""
    label, classes = np.repeat(np.arange(len(images)), images), len(images)
    likely = (label + rng.integers(1, classes, len(label))) % classes
    is_wrong = rng.random(len(label)) < np.repeat(errors, images)
    table = pd.DataFrame({"path": [f"{image}.jpg" for image in range(len(label))]})
    table = table.assign(label=label.astype(str), group=table["path"], pixels_sha256=table["path"])
    judged = table.assign(likely=likely.astype(str), likely_probability=0.5)
    judged["probability"] = np.where(is_wrong, 0.2, 0.8)
    return run._replace(images=table, predictions={"train": judged_predictions(judged)})


@pytest.mark.parametrize(
    ("images", "errors", "draws", "low", "high"),
    [
        *(
            pytest.param([n] * classes, [error] * classes, 60, 0, 0.05, marks=pytest.mark.slow)
            for n, classes, error in ((100, 3, 0.1), (50, 10, 0.2), (50, 20, 0.2))
        ),
        ([50] * 10, [0.3] + [0.1] * 9, 10, 0.6, 1),
        ([200] * 9 + [8], [0.3] + [0.1] * 9, 10, 0.9, 1),  # beside a tiny one
    ],
)
def test_worst_of_classes_that_are_alike_is_due_to_chance(images, errors, draws, low, high):
    run, rng = run_of(), np.random.default_rng(0)
    runs = [drawn_run(run, rng, images, errors) for _ in range(draws)]
    weak = [limits.weak_class(each) for each in runs]
    shown = [each.sentence for each in weak if each.size.is_shown]
    if low:
        shown = [sentence for sentence in shown if sentence.startswith("A recall of 0 ")]
    assert draws * low <= len(shown) <= draws * high
    confused = [limits.confused_classes(each) for each in runs]
    assert sum(each.size.is_shown for each in confused if each) <= 3


def test_labels_to_review_are_counted():
    run = run_of()
    assert len(run.to_review) > 1
    sentence = find_limits(run).others[0].sentence
    assert sentence.startswith(f"{len(run.to_review)} labels may be wrong: ")
    assert not find_limits(run._replace(to_review=run.to_review[:0])).others


def test_two_classes_count_as_confused_only_in_both_directions():
    """All images of b are taken for a, but none of a for b, so b is a weak class."""
    run = run_of()
    assert limits.confused_classes(run_of(centres=ALIKE)).size.errors > 5
    predictions = {
        split: table.assign(
            predicted=table["actual"].replace("b", "a"), wrong=table["actual"] == "b"
        )
        for split, table in run.predictions.items()
    }
    one_way = run._replace(predictions=predictions)
    assert limits.confused_classes(one_way).size.errors < 0.5
    assert limits.weak_class(one_way).sentence.startswith("A recall of b ")


def hashes_of(width: int, colour: int, seed: int) -> list[str]:
    """Return hashes of smooth noise, with a border of this width inside the picture, if any."""
    rng, hashes = np.random.default_rng(seed), []
    for _ in range(30):
        noise = Image.fromarray(rng.integers(0, 256, (6, 8), np.uint8)).resize((320, 240), 3)
        inner = noise.crop((width, width, 320 - width, 240 - width))
        picture = ImageOps.expand(inner, width, colour).convert("RGB")
        hashes.append(perceptual_hash(np.asarray(picture)))
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
    assert found.others[1].sentence.startswith("100% of the training images of c can be told ")
    assert " by border alone" in found.others[1].sentence


@pytest.mark.parametrize(
    ("name", "seen", "values"),
    [
        ("brightness", "brightness", [10.0, 300.0]),
        ("width", "width", [540, 500]),
        ("colour", "grey or in colour", [0.4, 30.0]),
    ],
)
def test_class_of_files_of_its_own_is_known_by_them(name, seen, values):
    run = run_of()
    is_class = (run.images["label"] == "c") & (run.images["split"] == "train")
    for part, is_found in ((0.85, True), (0.65, False)):
        is_own = is_class & (is_class.cumsum() <= part * is_class.sum())
        own = run._replace(images=run.images.assign(**{name: np.where(is_own, *values)}))
        found = limits.shortcut(own)
        assert bool(found) == is_found
        assert not found or f"of c can be told from 100% of the others by {seen} " in found.sentence
        of_crops = limits.shortcut(own._replace(metadata=METADATA | {"crop_rule": "square 0"}))
        assert bool(of_crops) == (is_found and name != "width")


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "groups", "photos"), [(2, 12, 1), (2, 11, 5), (50, 12, 1)])
def test_files_that_tell_a_class_by_chance_are_not_a_shortcut(classes, groups, photos):
    rng, run, known = np.random.default_rng(0), run_of(), 0
    group = np.arange(classes * groups)
    for _ in range(60):
        table = pd.DataFrame({"group": group, "label": group % classes, "split": "train"})
        table["path"] = rng.choice(["a.jpg", "a.png"], len(group))
        table["perceptual_hash"] = [rng.bytes(32).hex() for _ in group]
        for name in ("width", "height", "brightness"):
            table[name] = rng.normal(500, 100, len(group))
        table["colour"] = rng.uniform(0, 10, len(group))
        table = pd.concat([table] * photos)
        table["pixels_sha256"] = rng.random(len(table))
        known += limits.shortcut(run._replace(images=table)) is not None
    assert known <= 3 * (groups >= 12)


def test_question_whether_classes_are_one_comes_first():
    text = find_limits(run_of(gain=0.4)._replace(question="are a and b one class?")).text
    assert "are a and b one class?" in text.splitlines()[1]


def test_colour_is_the_distance_of_the_channels():
    for colour, distance in (((90, 90, 90), 0), ((200, 120, 50), 150)):
        assert measure_colour(np.full((48, 64, 3), colour, np.uint8)) == distance


def label_run(missed: float, surplus: float, seed: int = 0) -> Results:
    """Return a run with labels a to d; of these, a is missed, and b named, this often."""
    rng = np.random.default_rng(seed)
    has = rng.random((400, 4)) < 0.6
    is_wrong = rng.random(has.shape) < [[missed, 0.05, 0.05, 0.05]] * has
    is_wrong |= rng.random(has.shape) < [[0.02, surplus, 0.02, 0.02]] * ~has
    names = [f"{number}.jpg" for number in range(len(has))]
    cells = SEVERAL_LABELS.decode(has, LABELS)
    images = pd.DataFrame({"path": names, "group": names, "label": cells})
    images = images.assign(split="test", pixels_sha256=names)
    probabilities = np.where(has ^ is_wrong, 0.9, 0.1)
    said = Predictions(has, probabilities, has ^ is_wrong, LABELS, np.array(names))
    table = with_confidence(tabulate(images, said), kind=SEVERAL_LABELS)
    return run_of()._replace(
        images=images,
        predictions={"test": table},
        to_review=pd.DataFrame(),
        metadata=METADATA,
        label_kind=SEVERAL_LABELS,
    )


def test_label_that_is_missed_or_named_wrongly_most_often_is_the_first_limit():
    """No limit is about confused classes or about what tells a class from the others."""
    (first, *_) = find_limits(label_run(0.4, 0.02)).sized
    assert first.sentence.startswith("Finding a as often as other labels would save ")
    assert first.size.errors == pytest.approx(0.6 * 35, abs=5)  # 60% have it; 5% are normal
    (first, *_) = find_limits(label_run(0.05, 0.3)).sized
    assert first.sentence.startswith("Naming b as correctly as other labels would save ")
    alike = [find_limits(label_run(0.05, 0.02, seed)) for seed in range(20)]
    shown = [each for of in alike for each in of.sized if each.size.is_shown and "abels" in each[0]]
    assert len(shown) <= 4 and not any(of.others for of in alike)
    run = label_run(0.4, 0.02)
    table = run.predictions["test"].query("actual in ['a', 'none'] and predicted in ['a', 'none']")
    assert not find_limits(run._replace(predictions={"test": table})).sized[1:]  # one label
