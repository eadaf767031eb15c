"""Test that runs are compared on common images, and by what a user notices."""

import numpy as np
import pandas as pd
import pytest

from pawprint.columns import SCORES
from pawprint.errors import InputError
from pawprint.model.metadata import Metadata
from pawprint.scores.compared_runs import IDENTICAL, TRAINING, ComparedRun, Run, compare_runs
from pawprint.scores.prediction_table import tabulate
from pawprint.scores.verdict import MARGIN, NO_USE

LABELS = ["cat", "dog"]
IMAGES = 100  # in each set
SETS = {"test": range(IMAGES), "validation": range(1000, 1000 + IMAGES)}
TRAIN = range(2000, 2000 + IMAGES)


def judged(numbers, wrong=(), loss: float = 0.2) -> pd.DataFrame:
    """Return predictions with losses near this, in which these numbers are wrong."""
    numbers = np.array(numbers)
    near = loss * (1 + 0.1 * np.sin(numbers))
    predicted = (numbers + np.isin(numbers, [*wrong])) % 2
    return pd.DataFrame(
        {
            "image": [f"{number:016x}" for number in numbers],
            "actual": np.array(LABELS)[numbers % 2],
            "predicted": np.array(LABELS)[predicted],
            "loss": np.where(np.isin(numbers, [*wrong]), 2.5, near),
        }
    )


def split_of(sets: dict[str, pd.DataFrame], folder: str = "photos") -> pd.DataFrame:
    """Return the SPLIT table for these images and TRAIN."""
    tables = {**sets, "train": judged(TRAIN)}
    rows = [table.assign(split=name) for name, table in tables.items() if name != TRAINING]
    images = pd.concat(rows, ignore_index=True).rename(columns={"actual": "label"})
    path = folder + "/" + images["image"]
    return images.assign(path=path, group=path, pixels_sha256=images["image"] * 4)


def run_of(name: str = "new", loss: float = 0.2, **sets: pd.DataFrame) -> Run:
    """Return a run with its tables of images, where other sets have a loss near this."""
    tables = {split: judged(numbers, loss=loss) for split, numbers in SETS.items()} | sets
    return Run(name, tables, {}, split_of(tables))


OLD = run_of("old")


def compared(new: Run, old: Run = OLD) -> ComparedRun:
    (result,) = compare_runs(old, [new])
    return result


def relabelled(run: Run) -> Run:
    """Return the run with the label dog for the first training image."""
    is_image = run.split["image"] == f"{TRAIN[0]:016x}"
    return run._replace(split=run.split.assign(label=run.split["label"].mask(is_image, "dog")))


@pytest.mark.parametrize(("part", "verdict"), [(0.99, NO_USE), (0.95, "better"), (1.05, "worse")])
def test_difference_of_other_photos_or_labels_is_one_of_use(part, verdict):
    """Each of these differences is significant, because all images have it."""
    new = run_of(loss=0.2 * part)
    assert compared(new).verdict == ("worse" if part > 1 else "better")  # with the same photos
    result = compared(relabelled(new))
    assert (result.verdict, result.passes) == (verdict, verdict != "worse")
    sentence = result.sentences[0]
    assert (f"{MARGIN:.0%}" in sentence and "-1.0%" in sentence) == (verdict == NO_USE)


def test_difference_of_models_that_are_nearly_perfect_is_not_one_of_use():
    """The difference is a third of the loss, but less than a thousandth."""
    old, new = run_of("old", loss=0.0015), run_of(loss=0.001)
    assert compared(new, old).verdict == "better"
    assert compared(relabelled(new), old).verdict == NO_USE


def test_photos_are_the_same_by_pixels_label_and_set():
    files = run_of()._replace(split=split_of(OLD.tables, "other"))
    assert not compared(files).margin
    moved = files.split["split"].mask(files.split["image"] == f"{TRAIN[0]:016x}", "")
    assert compared(files._replace(split=files.split.assign(split=moved))).margin
    assert compared(relabelled(files)).margin
    assert compared(files._replace(split=files.split[:-1])).margin


def test_without_data_one_hash_of_both_says_that_photos_are_the_same():
    old, new = (run_of()._replace(split=None, split_md5="a", missing="no cache") for _ in range(2))
    result = compared(new, old)
    assert not result.margin
    assert ["no cache" in note and "groups" in note for note in result.notes] == [True]
    assert compared(new._replace(split_md5="b"), old).margin


def test_identical_predictions_are_called_identical():
    result = compared(run_of())
    assert result.verdict == IDENTICAL
    assert "identical" in result.sentences[0] and "200 images" in result.sentences[0]
    # A threshold changed, but the losses are equal.
    other = judged(SETS["test"]).assign(predicted="dog")
    assert compared(run_of(test=other)).verdict != IDENTICAL
    assert compared(run_of(loss=0.2001)).verdict != IDENTICAL


def test_images_that_a_run_lacks_are_left_out_and_counted_with_the_reason():
    old = judged(SETS["test"])
    fabric = judged(range(500, 505)).assign(actual="fabric", predicted="cat")
    label = old["actual"].mask(old["image"] == f"{7:016x}", "cat")
    more = judged(range(600, 602))
    new = run_of(test=pd.concat([old.assign(actual=label)[3:], fabric, more]))
    # The first image is now a training image, and the next two have been removed.
    moved = new.split.iloc[:1].assign(image=f"{0:016x}", pixels_sha256=f"{0:064x}", split="train")
    new = new._replace(split=pd.concat([new.split, moved.assign(pixels_sha256=f"{0:016x}" * 4)]))
    result = compared(new)
    (line,) = result.left_out.values()
    assert line.startswith("test: 96 images are compared, 11 left out: ")
    assert line.endswith(
        ": 1 with another label (dog to cat), 5 of a new class (fabric), 1 in another set "
        "(test to train), 2 only in old (dog 1, cat 1), 2 only in new (cat 1, dog 1)"
    )
    assert result.comparison.images == 196
    assert line in result.text
    assert any("harder" in sentence and "fabric" in sentence for sentence in result.answers)
    back = compared(OLD, new).left_out["test"]
    assert "5 of a class that old lacks (fabric)" in back and "(train to test)" in back
    (easier,) = compared(OLD, new).answers
    assert "easier" in easier and "fabric" in easier


def test_several_runs_are_compared_on_the_images_of_all():
    first = run_of("first", test=judged(SETS["test"])[5:])
    second = run_of("second", test=judged(SETS["test"])[:-5])
    results = compare_runs(OLD, [first, second])
    assert [result.comparison.images for result in results] == [190, 190]
    assert "5 not in every run (dog 3, cat 2)" in results[0].left_out["test"]


def test_runs_without_a_common_test_image_cannot_be_compared():
    with pytest.raises(InputError, match=r"cannot compare old with new: .*\. Compare runs"):
        compared(run_of(test=judged(range(500, 510))))


@pytest.mark.parametrize(("left", "passes"), [(90, True), (89, False)])
def test_gate_needs_nine_tenths_of_the_older_test_images(left, passes):
    """Without the hard photos, any model looks good. New photos do not change this."""
    hard = range(10 + 1)
    old = run_of("old", test=judged(SETS["test"], wrong=hard))
    new = run_of(test=pd.concat([judged(SETS["test"])[-left:], judged(range(500, 540))]))
    result = compared(new, old)
    assert result.passes == passes
    assert f"gate: {100 - left} of 100 test images of old are left out" in result.gate
    assert ("fails" in result.gate) != passes


def test_training_images_count_where_all_runs_judge_them():
    """The runs are equal on held-out images, but not in cross-validation."""
    old, new = (
        run_of(**{TRAINING: judged(TRAIN, wrong)}) for wrong in (range(2000, 2030), range(0))
    )
    assert compared(new, old).verdict == "better"
    assert compared(new, OLD).verdict == IDENTICAL


def served(run: Run, scale: float = 1.0, **rules) -> Run:
    """Return the run with its model, which is less confident on images with higher numbers."""
    metadata = Metadata(labels=LABELS, image_size=96, resize="crop", temperature=1.0, **rules)
    table = run.tables["test"]
    numbers = np.array([int(image, 16) for image in table["image"]])
    likely = 0.99 - 0.4 * numbers / IMAGES
    of_dog = np.where(table["predicted"] == "dog", likely, 1 - likely)
    rows = table.rename(columns={"actual": "label"})
    rows = rows.assign(path=rows["image"], pixels_sha256=rows["image"] * 4)
    classes = (table["predicted"] == "dog").to_numpy().astype(int)
    unknown = scale * numbers / IMAGES
    probabilities = np.stack([1 - of_dog, of_dog], axis=1)
    test = tabulate(rows, probabilities, classes, LABELS, unknown)
    return run._replace(metadata=metadata, test=test)


def test_answers_that_a_user_gets_stand_beside_the_verdict():
    """Half of the photos become unsure, although the scores stay the same."""
    wrong = judged(SETS["test"], wrong=(20, 80))
    old = served(run_of("old", test=wrong), unknown_threshold=2.0)
    rules = {"min_confidence": 0.79, "unknown_threshold": 0.965, "thresholds": {"dog": 0.4}}
    result = compared(served(run_of(test=wrong), **rules), old)
    assert result.verdict == IDENTICAL
    assert result.sentences[1:] == [
        "Threshold of dog: 0.4, was none.",
        "Decided, not unsure: 51 of 100 test images, 1 of them wrong; was 100 of 100, 2 wrong.",
        "Flagged as unknown: 3 of 100 test images; was 0 of 100.",
    ]
    assert compared(old, old).answers == []


def test_without_data_the_scores_in_git_say_what_is_decided():
    """In a clone, each run uses its own test images."""
    values = {"accuracy": 0.95, "decided": 0.5, "error_of_decided": 0.02, "refused": 0.01}
    rows = [("test", "", score, value, value, value, IMAGES) for score, value in values.items()]
    scores = pd.DataFrame(rows, columns=list(SCORES))
    old, new = OLD._replace(scores=scores[:1]), run_of()._replace(scores=scores)
    first, second = compared(new, old).answers
    assert "each run's own" in first
    assert first.endswith(
        "50 of 100 test images, each run's own, 1 of them wrong; was 100 of 100, 5 wrong."
    )
    assert " 1 of 100" in second
    assert compared(new, OLD).answers == []  # earlier versions did not write that table
