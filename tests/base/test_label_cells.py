"""Several labels of an image in one cell."""

import numpy as np
import pandas as pd
import pytest

from pawprint.base.label_cells import (
    cell_of,
    decode,
    encode,
    labels_in,
    named_labels,
    names_one,
    one_per_label,
    strata,
)

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


@pytest.mark.parametrize(
    ("thresholds", "cells"),
    [
        ({}, ["sea", "sea", "sunset"]),
        ({1: 0.05}, ["sea|sunset", "sea|sunset", "sunset"]),  # takes no photo from sea
        ({0: 0.9}, ["none", "none", "sunset"]),  # sea is below its own threshold
        ({0: 0.9, 1: 0.9}, ["none"] * 3),
        ({0: 0.25, 1: 0.7}, ["sea", "sea", "none"]),
    ],
)
def test_no_threshold_is_overruled_by_naming_at_least_one_label(thresholds, cells) -> None:
    probabilities = np.array([[0.45, 0.06], [0.30, 0.20], [0.2, 0.6]])
    named = named_labels(probabilities, True, thresholds)
    assert decode(named, LABELS[:2]).tolist() == cells


def test_one_photo_without_a_label_among_hundreds_does_not_switch_the_rule() -> None:
    shown = np.ones((602, 2), bool)
    for none, is_named in ((0, True), (1, True), (3, True), (4, False)):
        shown[:none] = False
        assert names_one(shown) == is_named
