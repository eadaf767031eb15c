"""Classes, and several labels of an image in one cell."""

import pandas as pd

from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, cell_of, kind_of

LABELS = ["sea", "sunset", "trees"]


def test_a_cell_holds_a_set_of_labels() -> None:
    cells = ["sea|sunset", "none", "trees"]
    assert cell_of(["sunset", "sea", "sea"]) == cells[0]
    assert [*map(SEVERAL_LABELS.labels_in, cells)] == [["sea", "sunset"], [], ["trees"]]
    shown = SEVERAL_LABELS.encode(cells, LABELS)
    assert shown.tolist() == [[True, True, False], [False] * 3, [False, False, True]]
    assert SEVERAL_LABELS.decode(shown, LABELS).tolist() == cells
    classes = ONE_CLASS.encode(cells, cells)
    assert ONE_CLASS.decode(classes, cells).tolist() == cells
    assert (kind_of(classes), kind_of(shown)) == (ONE_CLASS, SEVERAL_LABELS)
    assert SEVERAL_LABELS.encode([], LABELS).shape == (0, 3)
    table = pd.DataFrame({"label": cells})
    assert [*SEVERAL_LABELS.one_per_label(table)["label"]] == ["sea", "sunset", "none", "trees"]
    assert [*ONE_CLASS.one_per_label(table)["label"]] == cells


def test_the_rarest_label_sorts_an_image() -> None:
    cells = pd.Series(["sea", "sea|trees", "none", "sea|sunset|trees", "sunset"], index=range(1, 6))
    expected = ["sea", "trees", "none", "sunset", "sunset"]  # 3 sea, 2 sunset, 2 trees
    assert SEVERAL_LABELS.strata(cells).to_dict() == dict(zip(range(1, 6), expected))
    assert SEVERAL_LABELS.strata(cells[:0]).empty
