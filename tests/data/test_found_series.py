"""Test which file names and columns of metadata.csv suggest series of photos."""

import hashlib

import pandas as pd
import pytest

from pawprint.base.columns import METADATA
from pawprint.data.series import (
    describe_single,
    find_bursts,
    find_crossed,
    find_metadata_series,
    find_series,
)

LABELS = ("ash", "birch", "cedar")


def table(names: list[str]) -> pd.DataFrame:
    """Return a table of photos with these names in the folder of each class."""
    paths = [f"{label}/{name}.jpg" for label in LABELS for name in names]
    labels = [label for label in LABELS for _ in names]
    images = {"path": paths, "label": labels, "archive_split": "", "group": paths, "series": ""}
    return pd.DataFrame(images)


def names_of(series: int, photos: int, text: str) -> list[str]:
    """Return the names of a class; `text` has the fields s, f (frame) and l (a letter)."""
    return [
        text.format(s=s, f=f, l="abcdefghijklmnopqrst"[s])
        for s in range(series)
        for f in range(photos)
    ]


@pytest.mark.parametrize(
    ("names", "series"),
    [
        (names_of(8, 8, "field-{l}_{f:04}"), "field-a_"),
        (names_of(8, 8, "field-{l}_2026-08-1{s}_10-1{s}-2{f}"), "field-a_"),
        (names_of(8, 9, "B14{s:02}_{f}_256"), "B1400_"),
        (names_of(5, 30, "video{s}_frame{f:04}"), "video0_frame"),
        (names_of(2, 12, "rec{s}/{f:03}"), "rec0/"),
        (names_of(8, 8, "clip{s}_{f}") + [f"clip9_{n}" for n in range(40)], "clip0_"),
        # The number of an object is followed by words.
        (
            [f"inv_{s:04}_{side}" for s in range(40) for side in ("front", "back", "side")],
            "inv_0000",
        ),
        ([f"{s}_{side}" for s in range(20) for side in ("left", "right")], "0"),
        ([f"P{s:04}_{side}" for s in range(20) for side in "LR"], "P0000"),
        ([f"{s:04}-{side}" for s in range(20) for side in ("top", "end")], "0000"),
        (["anna/photo", "anna/other", "bob/photo", "bob/other"], "anna/"),
        # Copies of a few photos.
        ([*names_of(20, 1, "IMG_{s:03}"), "IMG_003_aug3", "IMG_007(+2.0)"], "IMG_003"),
        ([f"IMG_{n:03}.rf.{end}{n}" for n in range(9) for end in ("f", "0c")], "IMG_000"),
    ],
)
def test_names_suggest_series_and_their_expression_keeps_each_in_one_group(names, series):
    images = table(names)
    (expression, found), _ = find_series(images)
    assert f"ash/{series}" in set(found)
    assert found[found != ""].groupby(images["label"]).nunique().min() > 1
    groups = images["path"].str.extract(expression, expand=False)
    assert (groups.groupby(found[found != ""]).nunique() == 1).all()
    assert find_series(images.assign(group=groups))[0][0] == ""


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_{n}" for n in range(50)],
        [f"{n * 7919}_ab{n}cd_n" for n in range(50)],  # as on Flickr
        [f"{chr(97 + n % 26)}{n}" for n in range(27)],  # few are alike
        names_of(1, 60, "video3_frame{f:04}"),
        [f"photo ({n})" for n in range(50)],
        [hashlib.md5(str(n).encode()).hexdigest() for n in range(400)],
    ],
)
def test_other_names_suggest_none(names):
    for expression, series in find_series(table(names)):
        assert expression == "" and (series == "").all()


def test_number_of_an_object_is_found_beside_the_year_that_keeps_more_photos_together():
    names = [f"{2020 + s % 3}_{s:04}_{side}" for s in range(30) for side in ("front", "back")]
    (_, by_year), (expression, by_object) = find_series(table(names))
    assert by_year.nunique() == 9 and by_object.nunique() == 90
    groups = table(names)["path"].str.extract(expression, expand=False)
    assert (groups == by_object).all()
    assert find_series(table(names_of(8, 9, "B14{s:02}_{f}_256")))[1][0] == ""  # the same ones


def test_column_whose_values_have_several_photos_of_one_class_suggests_series():
    images = table([f"{n}" for n in range(40)])
    number = pd.Series(range(120))
    columns = {
        "lesion_id": "L" + (number // 4).astype(str),  # the answer
        "camera": (number % 3).astype(str),  # in every class
        "species": images["label"] + (number % 40 // 20).astype(str),
        "photo": number.astype(str),
        "genus": images["label"],
    }
    cells = pd.concat(
        pd.DataFrame({"path": images["path"], "column": name, "value": values})
        for name, values in columns.items()
    )
    assert find_metadata_series(images, cells[cells["column"] != "species"])[0] == "lesion_id"
    column, series = find_metadata_series(images, cells)
    assert column == "species" and set(series) == set(columns["species"])
    assert find_metadata_series(images, pd.DataFrame(columns=list(METADATA)))[0] == ""


def test_column_with_several_labels_a_value_and_the_fewest_values_from_five_on_is_measured():
    images = table([f"{n}" for n in range(40)])
    number = pd.Series(range(120))
    columns = {"day": number % 7, "site": number % 5, "camera": number % 3}
    columns |= {"flash": number % 2, "photo": number % 60}
    cells = pd.concat(
        pd.DataFrame({"path": images["path"], "column": name, "value": values.astype(str)})
        for name, values in (columns | {"lesion": number // 8}).items()
    )
    column, values = find_crossed(images, cells)
    assert column == "site" and (values == columns["site"].astype(str)).all()
    assert find_crossed(images.assign(group=values), cells)[0] == "day"  # already kept together
    others = cells[~cells["column"].isin(["day", "site"])]
    assert find_crossed(images, others)[0] == "camera"  # three are not enough, but all there is
    assert find_crossed(images, cells[cells["column"].isin(["flash", "photo", "lesion"])])[0] == ""
    sites = cells[cells["column"] == "site"]
    half = sites.assign(value=sites["value"].mask(number.to_numpy() % 10 < 5, "0"))
    assert find_crossed(images, half[half["value"] != "1"])[0] == ""
    few = sites.assign(value=sites["value"].where(sites["value"] != "1", "0"))
    assert find_crossed(images, few)[0] == "site"  # one value has two fifths of the images


def test_photos_of_one_camera_two_seconds_apart_are_a_burst_and_numbers_alone_are_none():
    images = table([f"RCNX{n:04}" for n in range(30)]).assign(camera="R5")
    second = pd.Series(range(90))
    seconds = second // 3 * 60 + second % 3 * 2
    start = pd.Timestamp("2026-08-10")
    taken = (start + pd.to_timedelta(seconds, "s")).dt.strftime("%Y-%m-%dT%H:%M:%S.000")
    origin, bursts = find_bursts(images.assign(taken=taken))
    first = images["path"].groupby(second // 3).transform("first")
    assert origin and (bursts == first).all()
    apart = (start + pd.to_timedelta(seconds * 1.01, "s")).dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    cameras = (second % 3).astype(str)
    for other in (
        images.assign(taken=apart),
        images.assign(taken=taken, camera=cameras),
        images.assign(taken=taken, camera=""),
        images.assign(taken=""),
    ):
        assert find_bursts(other)[0] == ""
    assert find_series(images)[0][0] == ""


def test_one_series_in_each_class_is_told_and_the_number_of_a_class_is_not():
    frames = [f"frame{n:04}" for n in range(20)]
    images = table(frames)
    video = images["label"].map({"ash": 1, "birch": 2, "cedar": 3}).astype(str)
    folder, name = images["path"].str.split("/").str[0], images["path"].str.split("/").str[1]
    of_videos = images.assign(path=folder + "/video" + video + "_" + name)
    assert "ash/" not in describe_single(of_videos) and "video1_" in describe_single(of_videos)
    numbered = of_videos.assign(label="tree" + video)
    padded = images.assign(path=folder + "/000" + video + "_" + name, label=video)
    in_series = of_videos.assign(series="ash/video1_shot2_")
    of_one = images.assign(path=folder + "/cam1_" + name)
    for other in (images, numbered, padded, in_series, of_one):
        assert describe_single(other) == ""
