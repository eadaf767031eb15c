import pandas as pd
import pytest

from pawprint.evaluation.review import rank

COLUMNS = ["path", "actual", "predicted", "probability_cat", "probability_dog"]
ROWS = [
    ("sure", "cat", "cat", 0.99, 0.01),
    ("small error", "cat", "dog", 0.7, 0.3),  # with a threshold of 0.25
    ("unsure", "dog", "dog", 0.6, 0.4),
    ("large error", "dog", "cat", 0.9, 0.1),
    ("error", "cat", "dog", 0.2, 0.8),
]


def test_most_confident_errors_come_first_then_least_confident_correct_predictions():
    """Rows of two splits may bear the same number."""
    ranked = rank(pd.DataFrame(ROWS, columns=COLUMNS, index=[0, 1, 0, 1, 2]))
    assert list(ranked["path"]) == ["large error", "error", "small error", "unsure", "sure"]
    assert list(ranked["confidence"]) == pytest.approx([0.9, 0.8, 0.3, 0.4, 0.99])
    assert list(ranked["wrong"]) == [True, True, True, False, False]
