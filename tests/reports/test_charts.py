import numpy as np
import pandas as pd
import pytest
from made_up_run import predictions_of, table_of_predictions
from sklearn.metrics import roc_auc_score

from pawprint.columns import HISTORY, RELIABILITY
from pawprint.evaluation.metrics import tabulate_roc
from pawprint.reports.charts import draw_confusion, draw_curves, draw_reliability, draw_roc

FORTY = [f"a_class_with_a_long_name_{number:02}" for number in range(40)]
OF_TWO = ["path", "actual", "predicted", "probability_cat", "probability_dog"]


def history(*epochs: int) -> pd.DataFrame:
    rows = [{name: epoch + place / 10 for place, name in enumerate(HISTORY)} for epoch in epochs]
    return pd.DataFrame(rows, columns=list(HISTORY)).astype(HISTORY)


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


@pytest.mark.parametrize(
    ("of_head", "expected", "mark_at"), [((1, 2, 3), [1, 2, 3, 4, 5], 3.5), ((0,), [0, 1, 2], 0.5)]
)
def test_curves_join_both_phases_and_mark_the_start_of_fine_tuning(of_head, expected, mark_at):
    """A head that is solved is at epoch 0."""
    extract, finetune = history(*of_head), history(1, 2)
    axes = draw_curves(extract, finetune).axes
    assert [axis.get_title("left") for axis in axes] == ["Accuracy", "Loss"]
    for axis, name in zip(axes, ("accuracy", "loss")):
        training, validation, mark = axis.lines
        for line, column in ((training, name), (validation, f"validation_{name}")):
            assert list(line.get_xdata()) == expected
            assert list(line.get_ydata()) == [*extract[column], *finetune[column]]
        assert list(mark.get_xdata()) == [mark_at, mark_at]


def test_confusion_shows_counts_and_fractions_of_each_true_label():
    pairs = [("cat", "cat")] * 3 + [("cat", "dog")] + [("dog", "dog")] * 2
    rows = [("", actual, predicted, 0.5, 0.5) for actual, predicted in pairs]
    figure = draw_confusion(pd.DataFrame(rows, columns=OF_TWO))
    (axis,) = figure.axes
    assert texts(axis) == ["3\n75.0%", "1\n25.0%", "0\n0.0%", "2\n100.0%"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["cat", "dog"]
    assert (axis.get_ylabel(), axis.get_xlabel()) == ("True label", "Predicted label")
    assert figure.get_suptitle() == "Test: 5 of 6 correct (83.3%)"
    assert axis.images[0].get_clim() == (0, 1)


@pytest.mark.parametrize(("classes", "is_written"), [(3, True), (12, True), (13, False)])
def test_cells_hold_numbers_if_they_can_be_read_and_else_the_pairs_are_listed(classes, is_written):
    predictions = table_of_predictions(FORTY[:classes])
    figure = draw_confusion(predictions)
    (axis,) = figure.axes
    assert len(axis.texts) == (classes**2 if is_written else 0)
    listed = figure.get_supxlabel()
    assert ("confused most often" in listed) != is_written
    if not is_written:
        wrong = predictions[predictions["actual"] != predictions["predicted"]]
        most = wrong.value_counts(["actual", "predicted"]).max()
        assert f": {most} of 10 images" in listed.splitlines()[1]


def test_roc_of_many_classes_shows_each_and_their_mean():
    actual, probabilities = predictions_of(FORTY[:5])
    roc = tabulate_roc(actual, probabilities, FORTY[:5])
    areas = [roc_auc_score(actual == each, probabilities[:, each]) for each in range(5)]
    (axis,) = draw_roc(roc).axes
    named = [line.get_label() for line in axis.lines if not line.get_label().startswith("_")]
    assert f"mean of the classes (AUC = {np.mean(areas):.4f})" in named
    assert len(axis.lines) == 5 + 2


def test_reliability_names_the_class_and_shows_each_split():
    rows = [
        (split, "dog", probability + shift, fraction, 0.1, 0.9, images)
        for split, shift in (("validation", 0), ("test", 0.1))
        for probability, fraction, images in ((0.2, 0.25, 30), (0.6, 0.5, 10))
    ]
    rows.append(("test", "dog", 0.9, 1.0, 0.4, 1.0, 10))
    axes = draw_reliability(pd.DataFrame(rows, columns=list(RELIABILITY))).axes
    assert [axis.get_title("left") for axis in axes] == ["Validation", "Test"]
    for axis, expected in zip(
        axes, [[[0.2, 0.25], [0.6, 0.5]], [[0.3, 0.25], [0.7, 0.5], [0.9, 1.0]]]
    ):
        assert axis.get_xlabel() == "Mean probability of dog"
        assert axis.get_ylabel() == "Fraction of dog"
        intervals, points = axis.collections
        assert points.get_offsets().tolist() == [pytest.approx(point) for point in expected]
        ends = [segment[:, 1].tolist() for segment in intervals.get_segments()]
        assert ends[:2] == [[0.1, 0.9]] * 2 and len(ends) == len(expected)
        larger, smaller, *_ = points.get_sizes()
        assert larger > 2 * smaller
