"""Several labels of an image in one cell."""

import pandas as pd

from pawprint.base.label_cells import cell_of, decode, encode, labels_in, one_per_label, strata

LABELS = ["sea", "sunset", "trees"]


def test_a_cell_holds_a_set_of_labels() -> None:
    cells = ["sea|sunset", "none", "trees"]
    assert cell_of(["sunset", "sea", "sea"]) == cells[0]
    assert [*map(labels_in, cells)] == [["sea", "sunset"], [], ["trees"]]
    shown = encode(cells, LABELS)
    assert shown.tolist() == [[True, True, False], [False] * 3, [False, False, True]]
    assert decode(shown, LABELS).tolist() == cells
    assert decode(encode(cells, cells, exclusive=True), cells).tolist() == cells
    assert encode([], LABELS).shape == (0, 3)
    table = pd.DataFrame({"label": cells})
    assert [*one_per_label(table)["label"]] == ["sea", "sunset", "none", "trees"]
    assert [*one_per_label(table, exclusive=True)["label"]] == cells


def test_the_rarest_label_sorts_an_image() -> None:
    cells = pd.Series(["sea", "sea|trees", "none", "sea|sunset|trees", "sunset"], index=range(1, 6))
    expected = ["sea", "trees", "none", "sunset", "sunset"]  # 3 sea, 2 sunset, 2 trees
    assert strata(cells).to_dict() == dict(zip(range(1, 6), expected))
    assert strata(cells[:0]).empty
