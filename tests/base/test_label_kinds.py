"""Classes, and several labels of an image in one cell."""

import pandas as pd
import pytest

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


@pytest.mark.parametrize(
    ("cell", "source", "expected"),
    [
        ("sea", "", "new?|sea"),
        ("sea|not new", "", "sea"),
        ("none", "", "new?"),
        ("not new", "", "none"),
        ("sea", "new|sunset", "new|sea"),
        ("sea", "not new", "sea"),
        ("new?|sea?", "new", "new?|sea?"),
        ("", "new", ""),
        ("unknown", "new", "unknown"),
    ],
)
def test_label_that_was_not_asked_is_as_in_the_source_or_not_known(cell, source, expected) -> None:
    found = SEVERAL_LABELS.complete(cell, ["new"], source)
    assert found == expected
    written = SEVERAL_LABELS.written(SEVERAL_LABELS.states_in(found), ["new"])
    if expected not in ("", "unknown"):  # what the app writes is read as it is meant
        assert SEVERAL_LABELS.complete(written, ["new"], "new") == expected
    assert SEVERAL_LABELS.complete("sea", [], "new") == "sea"


def test_what_is_not_known_is_a_state_of_one_array() -> None:
    cells = ["sea|sunset?", "none", "trees?"]
    shown = SEVERAL_LABELS.encode(cells, LABELS)
    assert shown.tolist() == [[1, -1, 0], [0, 0, 0], [0, 0, -1]]
    assert kind_of(shown) == SEVERAL_LABELS
    assert SEVERAL_LABELS.decode(shown, LABELS).tolist() == cells
    assert SEVERAL_LABELS.indicators(shown, 3).sum() == 1
    assert SEVERAL_LABELS.known(shown, 3).sum() == 7
    assert SEVERAL_LABELS.count(cells) == {"sea": 1, "none": 1}
    assert [*SEVERAL_LABELS.strata(pd.Series(cells))] == ["sea", "none", "none"]
    pairs = [("sea", "sea|sunset?"), ("sea", "sea|sunset"), ("sea?", "sunset"), ("a?", "a|b")]
    assert [SEVERAL_LABELS.contradict(*pair) for pair in pairs] == [False, True, True, True]
    for name in ("sea?", "not sea"):
        assert SEVERAL_LABELS.problem_of_names([name]) and not ONE_CLASS.problem_of_names([name])
    assert SEVERAL_LABELS.problem_of_cell("sea|not sea")


def test_the_rarest_label_sorts_an_image() -> None:
    cells = pd.Series(["sea", "sea|trees", "none", "sea|sunset|trees", "sunset"], index=range(1, 6))
    expected = ["sea", "trees", "none", "sunset", "sunset"]  # 3 sea, 2 sunset, 2 trees
    assert SEVERAL_LABELS.strata(cells).to_dict() == dict(zip(range(1, 6), expected))
    assert SEVERAL_LABELS.strata(cells[:0]).empty
