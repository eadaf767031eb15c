"""Test the effect of series of photos on the accuracy."""

import re

import numpy as np
import pandas as pd
import pytest

from pawprint.scores.series import (
    Comparison,
    compare_folds,
    describe_series,
    significant,
    with_groups,
)


def table(paths: list[str], **columns: list) -> pd.DataFrame:
    """Return a table in which each image is its own group, and its label is its folder."""
    labels = [path.split("/")[-2] for path in paths]
    return pd.DataFrame({"path": paths, "label": labels, "group": paths} | columns)


def test_images_of_a_series_that_matters_are_not_independent_and_else_those_of_a_group():
    images = table(["a/1_1.jpg", "a/1_2.jpg", "a/2.jpg"], series=["a/1_", "a/1_", ""])
    groups = with_groups(images, {"series": "series"})["group"]
    assert groups.tolist() == ["a/1_", "a/1_", "a/2.jpg"]
    images["group"] = ["a", "b", "b"]  # near-duplicates across series
    images["series"] = ["1", "2", "2"]
    assert with_groups(images, {"series": "series"})["group"].nunique() == 2
    images["series"] = ["1", "1", "2"]
    assert with_groups(images, {"series": "series"})["group"].nunique() == 1


def test_fall_of_few_images_or_of_those_not_judged_is_not_told():
    actual, groups = np.zeros(1000, int), np.arange(1000)
    good = np.tile([[0.9, 0.1]], (1000, 1))
    bad, worse, unjudged = good.copy(), good.copy(), good.copy()
    bad[:10], worse[:11], unjudged[:100] = (0.1, 0.9), (0.1, 0.9), np.nan
    compared = {
        "one point": compare_folds(good, bad, actual, groups),
        "not judged": compare_folds(good, unjudged, actual, groups),
        "few": compare_folds(good[:5], bad[:5], actual[:5], groups[:5]),
        "none": compare_folds(unjudged[:100], good[:100], actual[:100], groups[:100]),
    }
    assert significant(compared) == []
    told = {
        "more": compare_folds(good, worse, actual, groups),
        "most": compare_folds(good, 1 - good, actual, groups),
    }
    assert told["more"].accuracy == pytest.approx(0.989)
    assert significant(compared | {"more": told["more"]}) == ["more"]
    assert significant(compared | told) == ["most", "more"]


def test_several_tests_at_once_are_corrected():
    alone = Comparison(0.03, 0.8)
    assert significant({"series": alone}) == ["series"]
    assert significant({"series": alone, "metadata_series": Comparison(0.9, 0.9)}) == []


def test_values_are_not_advised_as_groups_if_they_would_leave_a_class_without_one():
    """Each of three values counts for one class, so two classes would be in training alone."""
    images = table([f"{label}/{n}.jpg" for label in "ab" for n in range(30)])
    images["metadata_series"] = np.resize(["x", "y", "z"], 60)
    choices = {"series": "metadata_series", "series_from": "site", "accuracy_by_series": 0.5}
    choices["group_from"] = ""
    assert "rename" not in describe_series(images, 0.9, choices)
    images["metadata_series"] = images["label"] + images["metadata_series"]
    assert "rename the column site" in describe_series(images, 0.9, choices)


@pytest.mark.parametrize(("rows", "wells", "offered"), [(3, 4, "A"), (2, 4, "A0_"), (2, 1, "")])
def test_expression_is_offered_only_if_it_makes_a_group_for_each_split(rows, wells, offered):
    wells = range(wells)
    names = [f"{row}{well}_{n}" for row in "ABC"[:rows] for well in wells for n in range(3)]
    images = table([f"{label}/{name}.jpg" for label in "ab" for name in names])
    images["series"] = images["path"].str[:3]
    images["finer_series"] = images["path"].str[:5]
    choices = {
        "series": "series",
        "series_from": "^([^/]+/[A-Z])",
        "accuracy_by_series": 0.5,
        "group_from": "",
    }
    choices["finer_series_from"] = "^([^/]+/[A-Z][0-9]+_)"
    line = describe_series(images, 0.9, choices)
    assert "Will new photos" in line and ("add photos" in line) == (rows < 3)
    expression = re.search("split.group: '(.*)'", line)
    assert bool(expression) == bool(offered) == ("use_archive_split" in line)
    burst = choices | {"series": "burst"}
    images["burst"] = images["series"]
    assert "split.group" not in describe_series(images, 0.9, burst)
    if expression:
        assert images["path"].str.extract(expression[1])[0][0] == f"a/{offered}"
