"""Test the sentence about the test photos that are correct."""

import numpy as np
import pytest

from pawprint.report.pages import describe_result
from pawprint.scores.metrics import Predictions, tabulate_scores


def result_of(actual: list[int], predicted: list[int], labels: list[str]) -> str:
    probabilities = np.eye(len(labels))[predicted]
    groups = np.arange(len(actual))
    rows = Predictions(np.array(actual), probabilities, np.array(predicted), labels, groups)
    return describe_result(tabulate_scores(rows).assign(split="test"))


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
