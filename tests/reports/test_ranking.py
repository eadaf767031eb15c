import pandas as pd
import pytest

from pawprint.core.tables import PREDICTIONS
from pawprint.reports.ranking import rank

ROWS = [
    ("sure", "cat", "cat", 0.01),
    ("small error", "cat", "dog", 0.3),  # with a threshold of 0.25
    ("unsure", "dog", "dog", 0.4),
    ("large error", "dog", "cat", 0.1),
    ("error", "cat", "dog", 0.8),
]


def test_most_confident_errors_come_first_then_least_confident_correct_predictions():
    ranked = rank(pd.DataFrame(ROWS, columns=list(PREDICTIONS)))
    assert list(ranked["path"]) == ["large error", "error", "small error", "unsure", "sure"]
    assert list(ranked["confidence"]) == pytest.approx([0.9, 0.8, 0.3, 0.4, 0.99])
    assert list(ranked["wrong"]) == [True, True, True, False, False]


def test_rows_of_two_splits_may_bear_the_same_number():
    table = pd.DataFrame(ROWS, columns=list(PREDICTIONS))
    ranked = rank(pd.concat([table.iloc[:2], table.iloc[2:].reset_index(drop=True)]))
    assert list(ranked["path"]) == ["large error", "error", "small error", "unsure", "sure"]


def test_equally_confident_predictions_keep_their_order():
    rows = [(str(number), "cat", "dog", 0.7) for number in range(50)]
    ranked = rank(pd.DataFrame(rows, columns=list(PREDICTIONS)))
    assert list(ranked["path"]) == [row[0] for row in rows]
