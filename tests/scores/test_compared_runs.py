"""Test that runs are compared on common images, and that test images decide nothing."""

import re
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT

from pawprint.base import paths
from pawprint.base.columns import HISTORY, JUDGED, PREDICTED_CLASSES, SCORES, SPLIT
from pawprint.base.errors import InputError
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.scores.compared_runs import (
    IDENTICAL,
    OTHER_CLASSES,
    OTHER_SPLITS,
    TRAINING,
    ComparedRun,
    Run,
    compare_runs,
    read_run,
)
from pawprint.scores.label_rows import split_labels
from pawprint.scores.prediction_table import judged_predictions
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
    """Return a run with its tables of images, where other sets have a loss near this.

    The last validation image is wrong.
    """
    tables = {name: judged(numbers, [1099], loss) for name, numbers in SETS.items()} | sets
    return Run(name, tables, split_of(tables), marked="0 and 0", labels={*LABELS})


OLD = run_of("old")


def compared(new: Run, old: Run = OLD) -> ComparedRun:
    (result,) = compare_runs(old, [new])
    return result


def relabelled(run: Run, label: str = "dog") -> Run:
    """Return the run with this label for the first training image."""
    is_image = run.split["image"] == f"{TRAIN[0]:016x}"
    return run._replace(split=run.split.assign(label=run.split["label"].mask(is_image, label)))


@pytest.mark.parametrize(("part", "verdict"), [(0.99, NO_USE), (0.95, "better"), (1.05, "worse")])
def test_difference_is_one_of_use(part, verdict):
    """Each of these differences is significant, because nearly all images have it."""
    new = run_of(loss=0.2 * part)
    for run in (new, relabelled(new)):
        result = compared(run)
        assert (result.verdict, result.passes) == (verdict, verdict != "worse")
        sentence = result.sentences[0]
        assert (f"{MARGIN:.0%}" in sentence and "-0.9%" in sentence) == (verdict == NO_USE)


def test_difference_of_models_that_are_nearly_perfect_is_not_one_of_use():
    """The difference is more than a tenth of the loss, but less than five thousandths."""
    old, new = run_of("old", loss=0.007), run_of(loss=0.003)
    assert compared(new, old).verdict == compared(old, new).verdict == NO_USE


def right(name: str = "new", loss: float = 0.2) -> Run:
    return run_of(name, validation=judged(SETS["validation"], loss=loss))


def test_runs_without_an_error_are_called_surer_not_better():
    for new, old in ((right(loss=0.01), right("old")), (right(), right("old", 0.01))):
        result = compared(new, old)
        assert (result.verdict, result.passes) == (NO_USE, True)
        surer = "new" if new.tables["validation"]["loss"][0] < 0.1 else "old"
        assert f"both are right on 100 validation images, and {surer} is" in result.sentences[0]
    assert compared(right(), run_of("old", loss=0.3)).verdict == "better"


@pytest.mark.parametrize("key", ["seed", "validation_fraction", "group"])
def test_other_splits_get_no_verdict_and_fail_the_gate(key):
    old = OLD._replace(splitting={"seed": 1})
    new = relabelled(run_of(loss=0.1))._replace(splitting={"seed": 1} | {key: 2})
    result = compared(new, old)
    assert (result.verdict, result.passes) == (OTHER_SPLITS, False)
    (sentence,) = result.sentences
    assert f"split.{key} differs" in sentence and "fails" in result.gate
    back = compared(new._replace(splitting=old.splitting), OLD._replace(splitting=new.splitting))
    assert f"split.{key} differs" in back.sentences[0]
    # The same split, as with splits.csv.
    assert compared(run_of(loss=0.1)._replace(splitting=new.splitting), old).verdict == "better"


def test_photos_are_the_same_by_pixels_label_and_set():
    files = run_of()._replace(split=split_of(OLD.tables, "other"))
    assert compared(files).have_same_photos
    moved = files.split["split"].mask(files.split["image"] == f"{TRAIN[0]:016x}", "")
    for split in (files.split.assign(split=moved), files.split[:-1], relabelled(files).split):
        assert not compared(files._replace(split=split)).have_same_photos


def test_without_data_one_hash_of_both_says_that_photos_are_the_same():
    old, new = (run_of()._replace(split=None, split_md5="a", missing="no cache") for _ in range(2))
    result = compared(new, old)
    assert result.have_same_photos
    assert "no cache" in result.left_out and "groups" in result.left_out
    assert not compared(new._replace(split_md5="b"), old).have_same_photos


def test_identical_predictions_are_called_identical():
    result = compared(run_of())
    assert result.verdict == IDENTICAL
    assert "identical" in result.sentences[0] and "200 images" in result.sentences[0]
    # A threshold changed, but the losses are equal.
    other = judged(SETS["test"]).assign(predicted="dog")
    assert compared(run_of(test=other)).verdict != IDENTICAL
    assert compared(run_of(loss=0.2001)).verdict != IDENTICAL


def test_labels_unknown_and_unsure_belong_to_identical_predictions():
    new = run_of()._replace(marked="10 and 4")
    result = compared(new)
    assert result.verdict != IDENTICAL and result.passes
    assert "10 and 4 (was 0 and 0)" in result.sentences[0]
    assert compared(new, OLD._replace(marked="10 and 4")).verdict == IDENTICAL
    assert compared(new, OLD._replace(marked="")).verdict == IDENTICAL  # of an older version
    # Another test photo may be unknown, without a change in the predictions of the others.
    more = pd.concat([judged(SETS["test"]), judged([600])])
    assert compared(run_of(test=more)._replace(marked="1 and 0")).verdict == IDENTICAL


def with_hats(run: Run, called: int = 0, loss: float = 0.2) -> Run:
    """Return the run with 40 hats in each set, where cats and dogs have a loss near this.

    The first 10 hats are called dogs, and in each set this many cats and dogs are called hats.
    """
    tables = {}
    for name, numbers in (SETS | {TRAINING: TRAIN}).items():
        known = judged(numbers, loss=loss)
        hats = judged(range(numbers[0] + 500, numbers[0] + 540)).assign(actual="hat")
        hats["predicted"] = np.where(np.arange(40) < 10, "dog", "hat")
        known["predicted"] = known["predicted"].mask(np.arange(IMAGES) < called, "hat")
        tables[name] = pd.concat([known, hats])
    return run._replace(tables=tables, split=split_of(tables), labels={*LABELS, "hat"})


def in_folds(run: Run) -> Run:
    return run._replace(tables=run.tables | {TRAINING: judged(TRAIN)})


def test_added_class_is_not_called_worse_for_what_the_older_model_could_not_know():
    """The log loss of all cats and dogs has doubled."""
    result = compared(with_hats(run_of(), called=2, loss=0.4), in_folds(OLD))
    assert (result.verdict, result.passes) == (OTHER_CLASSES, True)
    found = "(hat added): of 200 other photos, 196 are right (was 199), 4 are called hat; of 80 "
    assert f"{found}photos of hat, 60 are right, on validation" in result.sentences[0]
    assert "log loss" not in result.text + "".join(result.sentences)
    only_git = compared(with_hats(run_of())._replace(split=None), OLD._replace(split=None))
    assert "of 100 other photos, 100 are right" in only_git.sentences[0]
    old = OLD._replace(split=None, labels={*LABELS, "hat"})  # in training alone
    assert compared(with_hats(run_of())._replace(split=None), old).classes == ""
    assert compared(run_of(), old).verdict == OTHER_CLASSES


def test_removed_class_is_not_called_worse_and_its_images_are_not_missing():
    result = compared(in_folds(run_of(loss=0.4)), with_hats(OLD))
    assert (result.verdict, result.passes) == (OTHER_CLASSES, True)
    assert "(hat removed): of 200 other photos, 199 are right (was 200), on" in result.sentences[0]
    renamed = with_hats(run_of())
    table = renamed.tables["validation"].replace("hat", "cap")
    split = renamed.split.replace("hat", "cap")
    tables = renamed.tables | {"validation": table}
    renamed = renamed._replace(tables=tables, split=split, labels={*LABELS, "cap"})
    assert "(cap added, hat removed): of " in compared(renamed, with_hats(OLD)).sentences[0]


def test_gate_fails_if_an_added_class_takes_significantly_many_photos_of_the_others():
    for called, verdict in ((2, OTHER_CLASSES), (8, "worse")):
        result = compared(with_hats(run_of(), called), in_folds(OLD))
        assert (result.verdict, result.passes) == (verdict, verdict == OTHER_CLASSES)
        assert ("Significantly more" in result.sentences[0]) == (verdict == "worse")
    # All photos in one group.
    old = in_folds(OLD)._replace(split=OLD.split.assign(group="a"))
    assert compared(with_hats(run_of(), called=8), old).verdict == OTHER_CLASSES


def test_runs_with_fewer_than_two_common_classes_cannot_be_compared():
    tables = {name: table.replace("dog", "hound") for name, table in OLD.tables.items()}
    with pytest.raises(InputError, match="nothing can be compared: old and new have fewer"):
        compared(Run("new", tables))


def test_images_that_a_run_lacks_are_left_out_and_counted_in_one_line():
    old = judged(SETS["validation"])
    more = judged(range(600, 602))
    label = old["actual"].mask(old["image"] == f"{1007:016x}", "cat")
    new = run_of(validation=pd.concat([old.assign(actual=label)[3:], more]))
    result = compared(new)
    assert result.left_out.endswith(" differ: 6 validation.")
    assert result.comparison.images == 96
    assert result.left_out == result.text.splitlines()[-1]
    assert compared(run_of()).left_out == ""


def test_several_runs_are_compared_on_the_images_of_all():
    first = run_of("first", validation=judged(SETS["validation"])[5:])
    second = run_of("second", validation=judged(SETS["validation"])[:-5])
    results = compare_runs(OLD, [first, second])
    assert [result.comparison.images for result in results] == [90, 90]
    assert all(result.left_out.endswith(" 10 validation.") for result in results)


def test_runs_without_a_common_validation_image_cannot_be_compared():
    with pytest.raises(InputError, match=r"cannot compare old with new: .*\. Compare runs"):
        compared(run_of(validation=judged(range(500, 510))))
    without_test = compared(run_of(loss=0.19, test=judged(range(500, 510))))
    assert without_test.verdict == "better" and len(without_test.sentences) == 1


def test_test_images_stand_beside_the_verdict_and_decide_nothing():
    """The example of a run that is worse on test images, and was called better with them."""
    worse = judged(SETS["test"], loss=0.3)
    result = compared(run_of(loss=0.19, test=worse))
    assert (result.verdict, result.comparison.images) == ("better", 100)
    verdict, beside = result.sentences
    assert "on 100 validation images." in verdict
    assert "deciding nothing, 100 test images: " in beside and "0.2001 → 0.3001" in beside
    assert [*pd.DataFrame(result.comparison.sets)["images"]] == [
        "validation",
        "test (decides nothing)",
    ]
    assert compared(run_of(test=worse)).verdict not in ("better", "worse", IDENTICAL)


@pytest.mark.parametrize(("left", "passes"), [(80, True), (79, False)])
def test_gate_needs_nine_tenths_of_the_images_that_the_older_run_held_out(left, passes):
    """Without the hard photos, any model looks good. New photos do not change this."""
    hard = range(1000, 1000 + 21)
    old = run_of("old", validation=judged(SETS["validation"], wrong=hard))
    rows = pd.concat([judged(SETS["validation"])[-left:], judged(range(500, 540))])
    result = compared(run_of(validation=rows), old)
    assert result.passes == passes
    assert f"gate: left out: {100 - left} of 200 validation and test images of old" in result.gate
    assert ("fails" in result.gate) != passes


def test_training_images_count_where_all_runs_judge_them():
    """The runs are equal on held-out images, but not in cross-validation."""
    old, new = (
        run_of(**{TRAINING: judged(TRAIN, wrong)}) for wrong in (range(2000, 2030), range(0))
    )
    assert compared(new, old).verdict == "better"
    assert compared(new, OLD).verdict == IDENTICAL


def test_points_are_of_the_images_that_are_predicted_with_thresholds():
    """A new threshold changes 20 of 100 validation images, and no loss."""
    changed = judged(SETS["validation"], range(1000, 1020)).assign(
        loss=OLD.tables["validation"]["loss"]
    )
    runs = in_folds(OLD), run_of(validation=changed)
    folds = {TRAINING: judged(TRAIN).assign(predicted="")}
    result = compared(runs[1]._replace(tables=runs[1].tables | folds), runs[0])
    points = re.search(r": between (.*) and \+0.0 points of accuracy among 100 images", result.text)
    assert float(points[1]) < -20
    assert [*result.table["accuracy"][:2]] == ["99.00% → 80.00%", ""]
    same = run_of()._replace(tables=run_of().tables | folds)
    assert compared(same, runs[0]).verdict == IDENTICAL
    hats = with_hats(run_of())
    result = compared(hats._replace(tables=hats.tables | folds), in_folds(OLD))
    assert "of 100 other photos, 100 are right" in result.sentences[0]
    assert "training" not in result.sentences[0] + result.left_out


def test_a_run_that_kept_the_best_of_more_epochs_needs_fewer_errors():
    new = run_of(loss=0.1)
    assert compared(new).verdict == "better"
    result = compared(new._replace(epochs=6))
    assert result.verdict not in ("better", "worse")
    assert "have also chosen the epoch, so errors decide" in result.sentences[0]
    assert compared(new._replace(epochs=6), OLD._replace(epochs=6)).verdict == "better"


def of_margins(name: str, margins: np.ndarray, epochs: int = 1) -> Run:
    """Return a run with these logits of the class that validation images have."""
    table = judged(range(1000, 1000 + len(margins)))
    wrong = table["actual"].map({"cat": "dog", "dog": "cat"})
    predicted = table["actual"].where(margins > 0, wrong)
    tables = {"validation": table.assign(predicted=predicted, loss=np.logaddexp(0, -margins))}
    return Run(name, tables, labels={*LABELS}, epochs=epochs)


def test_fine_tuning_from_73_to_96_percent_of_60_photos_is_better():
    """Photos that are hard for the head are harder for the new model, too."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        is_hard = rng.random(60) < 0.27
        head = np.where(is_hard, -1, 1) * rng.gamma(2, 0.8, 60)
        is_wrong = rng.random(60) < np.where(is_hard, 0.11, 0.015)
        tuned = np.where(is_wrong, -1, 1) * rng.gamma(2, 2, 60)
        found.append(compared(of_margins("tuned", tuned, 6), of_margins("head", head)).verdict)
    assert found.count("better") >= 0.9 * 200


@pytest.mark.slow
@pytest.mark.parametrize("images", [60, 200])
@pytest.mark.parametrize("right", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("surer", "noise", "epochs"), [(1, 0.5, 5), (2, 2, 5), (3, 1, 50)])
def test_the_best_of_epochs_of_noise_is_seldom_better(images, right, surer, noise, epochs):
    """Each epoch is the same head with noise in its logits, which may be surer than before."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        head = rng.normal(3 * NormalDist().inv_cdf(right), 3, images)
        tuned = surer * (head + rng.normal(0, noise, (epochs, images)))
        best = tuned[np.logaddexp(0, -tuned).mean(axis=1).argmin()]
        of_best = of_margins("tuned", best, 1 + epochs)
        found.append(compared(of_best, of_margins("head", head)).verdict)
    assert found.count("better") <= 0.05 * 200


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [("", 6), (", keep_best: false", 1), (", keep_best: false, early_stopping: {patience: 2}", 6)],
)
def test_validation_has_only_chosen_an_epoch_if_params_say_so(keys, chosen):
    """The committed run has a fitted head, and fine-tunes for 5 epochs."""

    def read(path, parse):
        if path == paths.SPLIT_CSV:
            raise InputError("not here")
        content = (PROJECT / path).read_bytes()
        return parse(content.replace(b"{number: 5", f"{{number: 5{keys}".encode()))

    assert read_run(read, "committed").epochs == chosen


def test_tables_of_a_run_count_marks_of_known_images_and_take_a_tie_as_right():
    """The report lists no error either, when the label is as probable as another one."""
    tie = pd.DataFrame([("dog/1.jpg", "dog", "cat", 0.5, 0.5, "0" * 64)], columns=list(JUDGED))
    rows = [
        (split, label, score, value, None, None, 20)
        for split in SETS
        for label, score, value in (("", "refused", 0.25), ("unknown", "refused", 1))
    ]
    rows.append(("test", "", "decided", 0.8, None, None, 20))
    contents = {
        paths.CROSS_VALIDATION_CSV: tie.to_csv(index=False),
        paths.SCORES_CSV: pd.DataFrame(rows, columns=list(SCORES)).to_csv(index=False),
        paths.SPLIT_CSV: ",".join(SPLIT),
        paths.CROSS_VALIDATION_JSON: "{}",
        paths.FINETUNE_HISTORY_CSV: (PROJECT / paths.FINETUNE_HISTORY_CSV)
        .read_text()
        .replace("True", "False"),
    }

    def read(path, parse):
        return parse(contents[path].encode() if path in contents else (PROJECT / path).read_bytes())

    run = read_run(read, "run")
    assert run.marked == "10 and 4" and run.labels == {*LABELS}
    assert [*run.tables[TRAINING]["predicted"]] == ["dog"]
    contents[paths.PARAMS] = "calibrate: {recall: {dog: 0.9}}"
    assert [*read_run(read, "run").tables[TRAINING]["predicted"]] == [""]
    assert not judged_predictions(tie)["wrong"].any()


def of_labels(run: Run) -> Run:
    """Return the run with photos of a, and of a and b, in place of cats and dogs."""
    cells = {"cat": "a", "dog": "a|b"}
    tables = {name: table.replace(cells) for name, table in run.tables.items()}
    split = run.split.replace(cells)
    return run._replace(tables=tables, split=split, labels={*"ab"}, label_kind=SEVERAL_LABELS)


def test_runs_of_several_labels_are_compared_by_photos_with_every_label_right():
    new, old = of_labels(run_of(test=judged(SETS["test"], wrong=SETS["test"][:9]))), of_labels(OLD)
    result = compared(new, old)
    assert "points of photos with every label right" in result.text
    right = 1 - 9 / len(SETS["test"])
    assert f"100.00% → {right:.2%}" in result.table["photos with every label right"][1]
    assert "accuracy" not in result.text
    # One changed label is never better or worse.
    changed = compared(relabelled(of_labels(run_of(loss=0.198)), "b"), old)
    assert changed.verdict == NO_USE
    # A label that is new, and not known of these photos, is no reason to leave them out.
    cells = {"a": "a|c?", "a|b": "a|b|c?"}
    tables = {name: table.replace(cells) for name, table in new.tables.items()}
    asked = compared(new._replace(tables=tables, labels={*"abc"}), old)
    assert f"100.00% → {right:.2%}" in asked.table["photos with every label right"][1]
    none = new._replace(split=new.split.assign(label="none"))
    assert "Only old names at least one label" in compared(none, old).sentences[0]
    with pytest.raises(InputError, match="only in old can a photo have several labels"):
        compared(run_of(), old)


def test_run_of_several_labels_is_read_from_a_row_for_each_label():
    made = of_labels(OLD).tables["test"]
    of_folds = "path,label,pixels_sha256,probability_a,probability_b\n0.jpg,b,0,0.2,0.4\n"
    of_folds += "1.jpg,a|b?,1,0.9,0.8\n"
    scores = [(name, "", "exact", 0.5, 0.4, 0.6, 9) for name in SETS]
    contents = {
        paths.SCORES_CSV: pd.DataFrame(scores, columns=list(SCORES)).to_csv(index=False),
        paths.CLASSES_CSV: "label,train,validation,test\na,1,1,1\nb,1,1,1\nnone,1,1,1\n",
        paths.CROSS_VALIDATION_CSV: of_folds,
        paths.SPLIT_CSV: ",".join(SPLIT),
        paths.CROSS_VALIDATION_JSON: "{}",
        paths.FINETUNE_HISTORY_CSV: ",".join(HISTORY),
    }
    rows = split_labels(made)[list(PREDICTED_CLASSES)].to_csv(index=False)
    contents |= dict.fromkeys(paths.PREDICTED_CLASSES_CSV.values(), rows)
    contents[paths.EXTRACT_HISTORY_CSV] = ",".join(HISTORY) + "\n0,,1,1,1,1,True\n"

    def read(path, parse):
        return parse(contents[path].encode() if path in contents else (PROJECT / path).read_bytes())

    run = read_run(read, "run")
    assert run.label_kind is SEVERAL_LABELS and run.labels == {*"ab"} and not run.missing
    pd.testing.assert_frame_equal(run.tables["test"], made)
    folds, not_known = run.tables[TRAINING].to_dict("records")
    assert not_known["actual"] == not_known["predicted"] == "a|b?"
    assert folds["predicted"] == "b"  # each photo has a label, so the most probable is named
    assert folds["loss"] == pytest.approx(-np.log(0.8 * 0.4))
