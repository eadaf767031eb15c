"""Test splits.csv, which keeps a split while images are added."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("hypothesis", reason="install the `dev` extra")

from conftest import refused
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from test_splitting import CLASSES, PARAMS, WHOLE, grouped, image, images, like

from pawprint.base.errors import InputError
from pawprint.commands.keep_splits import keep_splits
from pawprint.data.splitting import split
from pawprint.given.user_tables import describe_kept_splits, read_kept_splits

FRACTIONS = {"validation": 0.2, "test": 0.2}
A, B = 64 * "a", 64 * "b"


def kept_of(rows: pd.DataFrame) -> dict[str, str]:
    return dict(zip(rows["pixels_sha256"], rows["split"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"pixels_sha256,split\n{A},train\n{B},tset\n", "line 3: expected the split …'tset'"),
        ("pixels_sha256,split\ncat.jpg,train\n", "line 2: expected …64 hexadecimal …'cat.jpg'"),
        (
            f"pixels_sha256,split\n{A},train\n{B},test\n{A},test\n",
            f"line 4: expected one split …test for {A}, which is in train",
        ),
    ],
)
def test_mistake_names_its_line(tmp_path, text, message):
    path = tmp_path / "splits.csv"
    path.write_text(text, encoding="utf-8")
    with refused("splits.csv", *message.split("…")):
        read_kept_splits(path)


def test_new_images_are_added_and_what_people_wrote_stays(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text(f"split,why,pixels_sha256\ntest,hard,{A}\n", encoding="utf-8")
    rows = split(images({"/cat": 9}), PARAMS, {})[0]
    assert len(keep_splits(path, rows)) == 9
    assert keep_splits(path, rows).empty
    assert path.read_text(encoding="utf-8").startswith(f"split,why,pixels_sha256\ntest,hard,{A}\n")
    assert read_kept_splits(path) == {A: "test"} | kept_of(rows)


@settings(deadline=None, max_examples=10)
@given(CLASSES, st.integers(0, 99), st.sampled_from(["", "tv", "t", "v"]))
def test_split_that_is_kept_is_the_same_split(classes, seed, given_splits):
    """This holds with groups and near-duplicates, and for any splits in the archive."""
    table = grouped(classes)
    originals = table.to_dict("records")
    near = [like(row, f"/{row['label']}/n{n}.jpg") for n, row in enumerate(originals[::5])]
    table = pd.concat([table, pd.DataFrame(near)], ignore_index=True)
    names = ["train", *(name for name in FRACTIONS if name[0] in given_splits)]
    place = table.groupby("label").cumcount() % len(names)
    table["archive_split"] = np.array(names)[place]
    params = PARAMS.model_copy(update={"seed": seed})
    try:
        rows, alike, divided = split(table, params, {})
    except InputError:  # a class has too few images in one of the archive's splits
        reject()
    again = split(table, params.model_copy(update={"seed": seed + 1}), kept_of(rows))
    pd.testing.assert_frame_equal(again[0], rows)
    pd.testing.assert_frame_equal(again[1], alike)
    assert again[2] == divided


def test_new_image_is_with_its_group_and_with_its_near_duplicate():
    table = WHOLE.assign(group=[f"{n // 2}" for n in range(len(WHOLE))])
    rows = split(table, PARAMS, {})[0]
    kept, paths = kept_of(rows), rows["path"][rows["split"] == "test"][:5]
    tests = table.set_index("path", drop=False).loc[paths].to_dict("records")
    joined = [image(f"/cat/new{n}", group=row["group"]) for n, row in enumerate(tests)]
    near = [like(row, f"/cat/near{n}") for n, row in enumerate(tests)]
    table = pd.concat([table, pd.DataFrame(joined + near)])
    now = kept_of(split(table, PARAMS, kept)[0])
    assert {now[row["pixels_sha256"]] for row in joined + near} == {"test"}
    assert now.items() >= kept.items()


def test_group_that_the_file_divides_is_named_and_stays_with_its_first_image():
    table = WHOLE.assign(path=[f"/x/site{n // 10}/{n}.jpg" for n in range(len(WHOLE))])
    site = list(table["pixels_sha256"][:10])
    kept = {site[3]: "test", site[0]: "train", site[1]: "train", 64 * "0": "test"}
    rows = split(table, PARAMS.model_copy(update={"group": "/site([0-9]+)/"}), kept)[0]
    assert set(rows["split"][rows["pixels_sha256"].isin(site)]) == {"test"}
    _, of_no_image, divided = describe_kept_splits(rows, kept)
    assert of_no_image.startswith("1 of 4 rows")
    assert "divides 1 group: /x/site0/0.jpg." in divided and "2 images" in divided


def test_new_images_are_for_training_except_those_in_a_group_with_old_ones(tmp_path):
    rows = split(WHOLE, PARAMS, {})[0]
    old, path = rows[:-9], tmp_path / "splits.csv"
    keep_splits(path, old)
    held_out = old[old["split"] == "test"].iloc[0]
    more = rows[-9:].assign(split="test")
    more.iloc[0, more.columns.get_loc("group")] = held_out["group"]
    added = keep_splits(path, pd.concat([old, more]), True)
    assert added["split"].tolist() == ["test", *8 * ["train"]]
    assert read_kept_splits(path).items() >= kept_of(old).items()
