import pandas as pd

from pawprint.reports.charts import draw_confusion

OF_TWO = ["path", "actual", "predicted", "probability_cat", "probability_dog"]


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


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
