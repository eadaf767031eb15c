"""Test the effect of series of photos on the accuracy."""

import re

import numpy as np
import pandas as pd
import pytest
from made_up_examples import sha256_of

from pawprint.base import paths
from pawprint.base.files import write_json
from pawprint.data.series import find_crossed
from pawprint.network.cross_validation import Examples, cross_validate, learning_curve
from pawprint.scores.series import (
    Comparison,
    compare_folds,
    describe_series,
    significant,
    with_groups,
)
from stages.train_extract import compare_series


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


def names_crossed(tmp_path, monkeypatch, seed: int, shares: list[float], effect: float) -> bool:
    """Return whether a column of sites is said to matter, for 200 photos of four classes.

    The sites are dealt at random. Each moves what its classes look like by `effect`.
    """
    rng = np.random.default_rng(seed)
    actual = np.arange(200) % 4
    site = rng.choice(len(shares), p=shares, size=200)
    features = rng.normal(0, 0.35, (4, 40))[actual] + rng.normal(0, 1, (200, 40))
    features += effect * rng.normal(0, 1, (len(shares), 4, 40))[site, actual]
    images = table([f"c{label}/{n:03}.jpg" for n, label in enumerate(actual)])
    cells = pd.DataFrame({"path": images["path"], "column": "site", "value": site.astype(str)})
    name, images["crossed"] = find_crossed(images, cells)
    monkeypatch.chdir(tmp_path)
    write_json(paths.SERIES_JSON, {"crossed": name})
    rows = features[:, None].astype(np.float32)
    labels = sorted({*images["label"]})
    keys = sha256_of(np.arange(200) + 1000 * seed)
    examples = Examples({False: rows}, actual, images["path"].to_numpy(), keys, labels)
    validated = cross_validate(examples)
    in_curve, fits = learning_curve(examples, validated)
    halved = np.full_like(validated.probabilities, np.nan)
    halved[in_curve] = fits[sorted(fits)[-2:][0]]
    return "crossed" in compare_series(images, examples, validated, halved)


def test_sites_that_look_different_are_named(tmp_path, monkeypatch):
    draws = (tmp_path, monkeypatch)
    found = [names_crossed(*draws, seed, [0.4, 0.3, 0.3], 0.5) for seed in range(10)]
    assert sum(found) >= 0.9 * 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "shares",
    [[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.7, 0.15, 0.15], [0.5, 0.25, 0.25], [0.4, 0.3, 0.3]],
)
def test_sites_dealt_at_random_are_seldom_named(tmp_path, monkeypatch, shares):
    draws = (tmp_path, monkeypatch)
    found = [names_crossed(*draws, seed, shares, 0) for seed in range(200)]
    assert sum(found) <= 0.05 * 200


def test_sites_are_not_advised_as_groups_if_they_would_leave_a_class_without_one():
    """Each of three sites counts for one class, so two classes would be in training alone."""
    images = table([f"{label}/{n}.jpg" for label in "ab" for n in range(30)])
    images["crossed"] = np.resize(["x", "y", "z"], 60)
    choices = {"crossed": "crossed", "crossed_from": "site", "accuracy_by_crossed": 0.5}
    choices["group_from"] = ""
    assert "rename" not in describe_series(images, 0.9, choices, "crossed")
    images["crossed"] = images["label"] + images["crossed"]
    assert "rename the column site" in describe_series(images, 0.9, choices, "crossed")


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
