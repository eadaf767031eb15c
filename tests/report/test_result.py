"""Test the sentence about the test photos that are correct."""

import numpy as np
import pandas as pd
import pytest

from pawprint.base.labels import SEVERAL_LABELS
from pawprint.report.pages import confusions, describe_run, describe_score
from pawprint.scores.intervals import fraction_interval
from pawprint.scores.metrics import Predictions, tabulate_scores


def result_of(actual: list[int], predicted: list[int], labels: list[str]) -> str:
    probabilities = np.eye(len(labels))[predicted]
    groups = np.arange(len(actual))
    rows = Predictions(np.array(actual), probabilities, np.array(predicted), labels, groups)
    shown = pd.Series(np.array(labels)[actual])
    return describe_run(tabulate_scores(rows).assign(split="test"), shown)


@pytest.mark.parametrize(
    ("actual", "predicted", "expected"),
    [
        ([0] * 10 + [1] * 10, [0] * 10 + [1] * 10, ["20 of 20", "predicting one class gets 50.0%"]),
        ([0] * 12 + [1] * 8, [0] * 20, ["12 of 20", "0, the largest class, gets 60.0%"]),
        ([0] * 12 + [1] * 8, [0] * 20, ["not been shown to be better", "Never recognised: 1."]),
        (
            [0] * 80 + [1] * 10 + [2] * 10,
            [0] * 80 + [1] * 10 + [2] * 5 + [0] * 5,
            ["95.0%", "83.3% on average over the classes", "80.0%, and 33.3% on average"],
        ),
    ],
)
def test_result_is_compared_with_predicting_one_class(actual, predicted, expected):
    result = result_of(actual, predicted, [str(label) for label in sorted(set(actual))])
    assert all(part in result for part in expected), result


def test_labels_that_are_not_known_are_told_and_contradict_no_baseline():
    cells = pd.Series(["sea|sun?", "sea", "sun", "sea?|sun"])
    actual = SEVERAL_LABELS.encode(cells, ["sea", "sun"])
    arrays = actual, np.where(actual == 1, 0.9, 0.1), actual == 1
    rows = Predictions(*arrays, ["sea", "sun"], np.arange(4))
    text = describe_run(tabulate_scores(rows).assign(split="test"), cells)
    assert "always naming sea: 50.0%" in text and "2 of these photos lack some" in text
    assert "photos with all labels known: 2 of 2" in text


@pytest.mark.parametrize(
    ("correct", "images", "text"),
    [
        (1, 1, "1 of 1, 21% to 100%"),
        (18, 21, "86% (18 of 21), 65% to 95%"),
        (191, 200, "95.50% (191/200), 91.67% to 97.61%"),
    ],
)
def test_percentages_have_as_many_digits_as_the_images_allow(correct, images, text):
    value, (low, high) = correct / images, fraction_interval(correct, images)
    cells = {"score": "recall", "value": value, "low": low, "high": high, "images": images}
    assert describe_score(pd.Series(cells)) == text


def test_confusions_have_a_row_and_a_column_for_each_of_a_few_classes():
    test = pd.DataFrame({"actual": [*"aaaabb"], "predicted": [*"aaabab"]})
    assert confusions(test, [*"abc"]).to_numpy().tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert confusions(test, [*map(str, range(13))]) is None
