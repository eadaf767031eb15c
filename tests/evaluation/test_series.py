"""Series of photos that file names tell, and whether they make a difference."""

import re

import numpy as np
import pandas as pd
import pytest

from pawprint.evaluation.intervals import SERIES, describe_series, find_series, independent
from pawprint.network.solved_head import cross_validate, cross_validate_groups


def table(paths: list[str], **columns: list) -> pd.DataFrame:
    """Each image alone in its group; the label is its folder."""
    labels = [path.split("/")[-2] for path in paths]
    return pd.DataFrame({"path": paths, "label": labels, "group": paths} | columns)


TRACKS = [
    f"signs/{label}/{track:05}_{frame:05}.png"
    for label in ("stop", "yield")
    for track in range(5)
    for frame in range(3)
]


@pytest.mark.parametrize(
    ("path", "series"),
    [
        ("00000/00007_00012.ppm", "00000/00007_"),
        ("faces/Ann_Lee_0003.jpg", "faces/Ann_Lee_"),
        ("a.b/clip 2 (14) copy.jpeg", "a.b/clip 2 ("),
        ("cat/001.jpg", "cat/"),
        ("v2/photo.jpg", None),
    ],
)
def test_part_before_the_last_number_of_the_name_is_the_series(path, series):
    found = re.search(SERIES, path)
    assert (found and found[1]) == series


def test_images_of_a_series_are_not_independent_and_else_those_of_a_group():
    assert independent(table(TRACKS)).nunique() == 10
    photos = table([f"{label}/IMG_{n}.jpg" for label in "ab" for n in range(50)], group="a/0")
    assert set(independent(photos)) == {"a/0"}


@pytest.mark.parametrize(
    "paths",
    [
        [f"pets/{label}/{label}.{n}.jpg" for label in ("cat", "dog") for n in range(50)],
        [f"{label}/IMG_{n}.jpg" for label in "ab" for n in range(50)],
        [f"{label}/{n * 7919}_ab{n}cd_n.jpg" for label in "ab" for n in range(50)],  # of Flickr
        [f"{label}/{n // 25}_{n}.jpg" for label in "ab" for n in range(100)],  # four long ones
        [f"{label}/{chr(97 + n % 26)}{n}.jpg" for label in "ab" for n in range(30)],  # few of two
    ],
)
def test_other_names_tell_no_series(paths):
    assert find_series(table(paths)) is None


def test_series_that_the_groups_keep_together_are_none():
    tracks = [path.rpartition("_")[0] for path in TRACKS]
    assert find_series(table(TRACKS, group=tracks)) is None
    assert find_series(table(TRACKS, group=["one", *tracks[1:]])) is not None


def folds(tracks: int, frames: int, of_track: float) -> tuple[np.ndarray, ...]:
    """Features of tracks of two classes, as cross-validated apart and together, and the classes.

    The frames of a track have in common what has nothing to do with their class.
    """
    rng = np.random.default_rng(0)
    actual = np.repeat(np.arange(tracks) % 2, frames)
    track = np.repeat(np.arange(tracks), frames)
    features = of_track * rng.normal(size=(tracks, 40))[track] + rng.normal(size=(len(track), 40))
    features[:, 0] += actual
    features = features[:, None].astype(np.float16)
    crossed = cross_validate(features, actual, np.arange(len(track)), 2)
    return crossed.probabilities, cross_validate_groups(crossed, features, actual, track, 2), actual


def test_frames_that_are_known_by_their_track_are_told_with_both_figures():
    together, apart, actual = folds(tracks=40, frames=8, of_track=3)
    told = describe_series(together, apart, actual, "stop/00000_")
    for probabilities in (together, apart):
        assert f"{(probabilities.argmax(axis=1) == actual).mean():.1%}" in told
    assert f"split.group: '{SERIES}'" in told and "stop/00000_" in told


def test_series_that_make_no_difference_are_not_told():
    assert describe_series(*folds(tracks=40, frames=8, of_track=0), "stop/00000_") == ""


def test_difference_of_few_images_or_of_those_not_judged_is_not_told():
    actual = np.zeros(1000, int)
    good = np.tile([[0.9, 0.1]], (1000, 1))
    bad, worse, unjudged = good.copy(), good.copy(), good.copy()
    bad[:10], worse[:11], unjudged[:100] = (0.1, 0.9), (0.1, 0.9), np.nan
    assert describe_series(good, bad, actual, "") == ""  # one point
    assert describe_series(good, worse, actual, "")
    assert describe_series(good, unjudged, actual, "") == ""
    assert describe_series(good[:5], bad[:5], actual[:5], "") == ""
    assert describe_series(unjudged[:100], good[:100], actual[:100], "") == ""
