"""Test series of photos that are recognised by file names, and their effect on accuracy."""

import re

import numpy as np
import pandas as pd
import pytest

from pawprint.scores.series import (
    SERIES,
    accuracy_by_series,
    describe_divided_series,
    find_series,
    independent,
)


def table(paths: list[str], **columns: list) -> pd.DataFrame:
    """Return a table in which each image is its own group, and its label is its folder."""
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
        ("a.b/clip 2 (14) copy.jpeg", "a.b/clip 2 ("),
        ("v2/photo.jpg", None),
    ],
)
def test_part_before_the_last_number_of_the_name_is_the_series(path, series):
    match = re.search(SERIES, path)
    assert (match and match[1]) == series


def test_images_of_a_series_are_not_independent_and_else_those_of_a_group():
    assert independent(table(TRACKS)).nunique() == 10
    photos = table([f"{label}/IMG_{n}.jpg" for label in "ab" for n in range(50)], group="a/0")
    assert set(independent(photos)) == {"a/0"}


# Unrelated photos of two classes from several places, each numbered separately.
COUNTED = [
    *(f"without/{n:03}.jpg" for n in range(98)),
    *(f"without/{place} ({n}).jpg" for place in "abcdefgh" for n in range(19)),
    *(f"with/IMG_{n}.jpg" for n in range(78)),
    *(f"with/download ({n}).jpg" for n in range(60)),
    *(f"with/{place}-{n}.jpg" for place in "abcdefg" for n in range(16)),
]


def test_few_counted_photos_beside_series_keep_their_groups():
    tracks = [
        f"{label}/{track}_{n}.png" for label in "abcd" for track in range(9) for n in range(8)
    ]
    counted = [f"a/IMG_{n}.jpg" for n in range(24)]
    series = find_series(table(tracks + counted))
    assert series[: len(tracks)].nunique() == 36 and series[len(tracks) :].tolist() == counted


@pytest.mark.parametrize(
    "paths",
    [
        [f"{label}/IMG_{n}.jpg" for label in "ab" for n in range(50)],
        [f"{label}/{n * 7919}_ab{n}cd_n.jpg" for label in "ab" for n in range(50)],  # as on Flickr
        [f"{label}/{n // 25}_{n}.jpg" for label in "ab" for n in range(100)],  # four long series
        # Few have two images.
        [f"{label}/{chr(97 + n % 26)}{n}.jpg" for label in "ab" for n in range(30)],
        COUNTED,
    ],
)
def test_other_names_tell_no_series(paths):
    assert find_series(table(paths)) is None


def test_series_that_the_groups_keep_together_are_none():
    tracks = [path.rpartition("_")[0] for path in TRACKS]
    assert find_series(table(TRACKS, group=tracks)) is None
    assert find_series(table(TRACKS, group=["one", *tracks[1:]])) is not None


def test_difference_of_few_images_or_of_those_not_judged_is_not_told():
    actual = np.zeros(1000, int)
    good = np.tile([[0.9, 0.1]], (1000, 1))
    bad, worse, unjudged = good.copy(), good.copy(), good.copy()
    bad[:10], worse[:11], unjudged[:100] = (0.1, 0.9), (0.1, 0.9), np.nan
    assert accuracy_by_series(good, bad, actual) is None  # only one point
    assert accuracy_by_series(good, worse, actual) == pytest.approx(0.989)
    assert accuracy_by_series(good, unjudged, actual) is None
    assert accuracy_by_series(good[:5], bad[:5], actual[:5]) is None
    assert accuracy_by_series(unjudged[:100], good[:100], actual[:100]) is None


def test_series_of_near_duplicates_in_several_splits_is_told_and_a_count_of_photos_is_not():
    paths = [*(f"a/film_{n}.jpg" for n in range(4)), *(f"a/IMG_{n}.jpg" for n in range(16))]
    images = table(paths, split=["train", "train", "test", "train", *["train", "test"] * 8])
    film = pd.DataFrame({"path": paths[:1], "nearest": paths[1:2]})
    assert "1 series, such as a/film_, " in describe_divided_series(images, film)
    counted = pd.DataFrame({"path": paths[4:5], "nearest": paths[5:6]})
    apart = pd.DataFrame({"path": paths[:1], "nearest": paths[4:5]})
    for alike in (film[:0], counted, apart):
        assert describe_divided_series(images, alike) == ""
    assert describe_divided_series(images.assign(split="train"), film) == ""
