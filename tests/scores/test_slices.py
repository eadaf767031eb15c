"""Test the scores of photos by site, camera and so on, and the interval for a new site."""

import numpy as np
import pandas as pd
import pytest

from pawprint.base.columns import METADATA
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS
from pawprint.scores.slices import Site, new_site_interval, score_sites, score_slices

LABELS = np.array(["cat", "dog", "fox"])
ERRORS = np.array([0.05, 0.1, 0.3])  # by class


def drawn(
    rng: np.random.Generator, columns: dict[str, int], photos: int = 300, frames: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the METADATA of columns with this many values, and photos whose errors are chance.

    Sites have other shares of each class. Frames of a group share class, values and error.
    """
    groups = photos // frames
    label = rng.integers(3, size=groups)
    wrong = rng.random(groups) < ERRORS[label]
    tags = []
    every = pd.DataFrame({"actual": LABELS[label], "wrong": wrong, "group": np.arange(groups)})
    for column, values in columns.items():
        value = (rng.integers(values, size=groups) + label * (rng.random(groups) < 0.3)) % values
        every[column] = [f"{column} {number}" for number in value]
    every = every.loc[every.index.repeat(frames)].reset_index(drop=True)
    every["path"] = [f"{number}.jpg" for number in range(len(every))]
    for column in columns:
        tags.append(every[["path"]].assign(column=column, value=every[column]))
    return pd.concat(tags)[list(METADATA)], every


def count_worse(draws: int, frames: int) -> int:
    rng = np.random.default_rng(frames)
    columns = {"site": 8, "light": 2, "camera": 4}
    found = (score_slices(*drawn(rng, columns, 300, frames), ONE_CLASS) for _ in range(draws))
    return sum(min(each.p_value for each in slices) < 0.05 for slices in found)


@pytest.mark.parametrize("frames", [1, 5])
def test_errors_by_chance_are_seldom_called_worse(frames):
    assert count_worse(40, frames) <= 5  # 2 are expected; more than 5 in 1.4% of runs


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 5])
def test_errors_by_chance_are_called_worse_in_at_most_5_percent(frames):
    assert count_worse(400, frames) <= 20 + 2 * 4.4


def test_value_at_which_the_same_classes_are_worse_is_found_and_no_other():
    rng = np.random.default_rng(0)
    tags, every = drawn(rng, {"site": 4, "light": 2, "camera": 3})
    every["wrong"] |= (every["light"] == "light 1") & (rng.random(len(every)) < 0.25)
    slices = score_slices(tags, every, ONE_CLASS)
    assert [each.value for each in slices if each.p_value < 0.05] == ["light 1"]
    worst = slices[0]
    low, high = worst.lost[1:]
    assert worst.value == "light 1" and 0 < low < worst.lost[0] < high
    assert worst.lost[0] == pytest.approx(worst.elsewhere - worst.right)
    assert low < 0.2 < high


def test_interval_of_what_is_lost_is_wide_if_few_photos_are_elsewhere():
    reaches = []
    for elsewhere in (20, 2000):
        wrong = np.arange(100 + elsewhere) % 10 == 0
        every = pd.DataFrame({"wrong": wrong, "actual": "cat"})
        every["path"] = every["group"] = [str(number) for number in every.index]
        value = np.where(np.arange(len(every)) < 100, "here", "elsewhere")
        tags = every[["path"]].assign(column="site", value=value)
        (here,) = [each for each in score_slices(tags, every, ONE_CLASS) if each.value == "here"]
        reaches.append(here.lost[2] - here.lost[1])
    assert reaches[0] > 2 * reaches[1]


def test_classes_that_only_one_site_has_are_left_out_of_elsewhere():
    every = pd.DataFrame({"actual": ["cat"] * 60 + ["dog"] * 30})
    every["wrong"] = (every["actual"] == "dog") | (every.index % 10 == 0)
    every["path"] = every["group"] = [str(number) for number in every.index]
    sites = ["a"] * 30 + ["b"] * 60  # all dogs are at b
    slices = score_slices(every[["path"]].assign(column="site", value=sites), every, ONE_CLASS)
    of = {each.value: each for each in slices}
    assert (of["a"].alone, of["b"].alone) == (0, 30)
    assert of["a"].elsewhere == of["b"].elsewhere == pytest.approx(0.9)
    assert of["b"].right == pytest.approx(27 / 60) and of["b"].lost[0] == pytest.approx(0)
    assert of["b"].p_value > 0.5


def test_p_values_of_several_columns_rise_as_holm_says():
    rng = np.random.default_rng(3)
    tags, every = drawn(rng, {"a": 2, "b": 2, "c": 2})
    alone = [
        min(each.p_value for each in score_slices(tags[tags["column"] == name], every, ONE_CLASS))
        for name in "abc"
    ]
    slices = score_slices(tags, every, ONE_CLASS)
    corrected = [min(s.p_value for s in slices if s.column == name) for name in "abc"]
    expected = np.maximum.accumulate(np.minimum(np.sort(alone) * [3, 2, 1], 1))
    assert np.sort(corrected) == pytest.approx(expected)


def test_photos_of_a_few_values_are_left_out_and_cells_count_by_their_rarest_label():
    every = pd.DataFrame({"actual": ["sea|tree", "sea"] * 15, "wrong": [True, False] * 15})
    every["path"] = every["group"] = [str(number) for number in every.index]
    tags = every[["path"]].assign(column="site", value=["a"] * 12 + ["b"] * 12 + ["c"] * 6)
    slices = score_slices(tags, every, SEVERAL_LABELS)
    assert [each.value for each in slices] == ["a", "b"]
    assert not score_slices(tags.assign(value=every["path"]), every, SEVERAL_LABELS)


def test_sites_of_ten_photos_are_scored_and_frames_count_once():
    values = pd.Series(["a"] * 20 + ["b"] * 10 + ["c"] * 9)
    right = np.array([True] * 25 + [False] * 14)
    groups = pd.Series([*"pq"] * 10 + [str(number) for number in range(19)])
    assert score_sites(values, right, groups) == [Site("b", 10, 10, 0.5), Site("a", 20, 2, 1.0)]


def covered(sites: int, mean: float, spread: float, draws: int) -> float:
    """Return how often the interval has the accuracy of a further site, whose logit is normal."""
    rng = np.random.default_rng(sites)
    hits = 0
    for _ in range(draws):
        photos = np.maximum(10, np.exp(rng.normal(3.7, 0.8, sites))).astype(int)
        logits = np.log(mean / (1 - mean)) + spread * rng.standard_normal(sites + 1)
        accuracy = 1 / (1 + np.exp(-logits))
        rights = rng.binomial(photos, accuracy[:sites]) / photos
        low, high = new_site_interval([Site("", n, n, r) for n, r in zip(photos, rights)])
        hits += low <= accuracy[sites] <= high
    return hits / draws


CASES = [(0.9, 0.0), (0.9, 0.7), (0.97, 1.5), (0.995, 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize("sites", [5, 8, 20])
@pytest.mark.parametrize(("mean", "spread"), CASES)
def test_interval_has_the_accuracy_of_a_new_site(sites, mean, spread):
    assert covered(sites, mean, spread, 2000) >= 0.92


def test_interval_of_a_new_site_is_wider_than_of_the_sites_mean():
    sites = [Site("", 50, 50, right) for right in (0.7, 0.8, 0.9, 0.95, 1.0)]
    low, high = new_site_interval(sites)
    assert low < 0.7 and high == pytest.approx(1, abs=0.02)
    assert new_site_interval([Site("", 10, 10, 1.0)] * 5)[0] < 0.9  # by chance alone
