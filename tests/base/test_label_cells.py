"""Several labels of an image in one cell."""

import numpy as np
import pandas as pd
import pytest

from pawprint.base.label_cells import cell_of, cells_of, indicators, labels_in, strata

LABELS = ["sea", "sunset", "trees"]


@pytest.mark.parametrize(
    ("labels", "cell"),
    [([], "none"), (["sea"], "sea"), (["sunset", "sea", "sea"], "sea|sunset")],
)
def test_a_cell_holds_a_set_of_labels(labels: list[str], cell: str) -> None:
    assert cell_of(labels) == cell
    assert labels_in(cell) == sorted(set(labels))


def test_cells_and_indicators_are_the_same_thing() -> None:
    cells = ["sea|sunset", "none", "trees"]
    shown = indicators(cells, LABELS)
    assert shown.tolist() == [[True, True, False], [False] * 3, [False, False, True]]
    assert cells_of(shown, LABELS) == cells
    assert indicators([], LABELS).shape == (0, 3)
    assert indicators(cells, LABELS).dtype == np.bool_


def test_the_rarest_label_sorts_an_image() -> None:
    cells = pd.Series(["sea", "sea|trees", "none", "sea|sunset|trees", "sunset"], index=range(1, 6))
    expected = ["sea", "trees", "none", "sunset", "sunset"]  # 3 sea, 2 sunset, 2 trees
    assert strata(cells).to_dict() == dict(zip(range(1, 6), expected))
    assert strata(cells[:0]).empty
