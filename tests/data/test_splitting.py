import hashlib
from collections import Counter
from random import Random

import pandas as pd
import pytest

pytest.importorskip("hypothesis", reason="install the `dev` extra")

from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from pawprint.base.errors import InputError
from pawprint.base.labels import SEVERAL_LABELS, cell_of
from pawprint.data.splitting import describe_alike, describe_keys, describe_lacking, split
from pawprint.given.user_tables import describe_kept_splits
from pawprint.pipeline.params.data import Split

PARAMS = Split(
    seed=1,
    validation_fraction=0.2,
    test_fraction=0.2,
    group=None,
    near_duplicate_distance=8,
    use_archive_split=True,
)


def image(path: str, **changes: str) -> dict:
    """Return an image as `clean` lists it. "train/cat/1.jpg" is a cat in the training split."""
    folder, label, _ = path.split("/")
    content = hashlib.sha256(path.encode()).hexdigest()
    row = {"path": path, "label": label, "archive_split": folder, "group": ""}
    return row | {"pixels_sha256": content, "perceptual_hash": content} | changes


def images(folders: dict[str, int]) -> pd.DataFrame:
    """Return images for {"train/cat": 3}, or {"/cat": 3} without a split in the archive."""
    names = [f"{folder}/{n}.jpg" for folder, number in folders.items() for n in range(number)]
    return pd.DataFrame(list(map(image, names)))


def like(original: dict, path: str, bits: int = 3, **changes: str) -> dict:
    """Return another image with a hash that differs in this many low-frequency bits."""
    value = int(original["perceptual_hash"], 16)
    for bit in range(bits):
        value ^= 1 << (255 - 16 * (bit // 8) - bit % 8)
    return image(path, perceptual_hash=f"{value:064x}") | changes


CURATED = images(
    {f"{name}/{label}": 50 for name in ("train", "validation", "test") for label in "ab"}
)
WHOLE = images({"/cat": 400, "/dog": 900})


def with_images(table: pd.DataFrame, *more: dict) -> pd.DataFrame:
    return pd.concat([table, pd.DataFrame(more)])


def run(table: pd.DataFrame, kept_splits: dict[str, str] | None = None, **params) -> pd.DataFrame:
    params = PARAMS.model_copy(update={"near_duplicate_distance": 0} | params)
    return split(table, params, kept_splits or {})[0]


def splits_of(rows: pd.DataFrame) -> dict[str, str]:
    return dict(zip(rows["path"], rows["split"]))


# Classes with the sizes of their groups.
CLASSES = st.dictionaries(
    st.sampled_from("abc"), st.lists(st.integers(1, 12), min_size=3, max_size=12), min_size=1
)


def grouped(classes: dict[str, list[int]]) -> pd.DataFrame:
    rows = [
        image(f"/{label}/{group}.{n}.jpg", group=f"{ord(label)}{group}")
        for label, sizes in classes.items()
        for group, size in enumerate(sizes)
        for n in range(size)
    ]
    return pd.DataFrame(rows)


@settings(deadline=None, max_examples=10)
@given(CLASSES, st.integers(0, 99), st.randoms())
def test_each_image_is_in_one_split_with_its_group_whatever_the_order(classes, seed, random):
    table = grouped(classes)
    rows = run(table, seed=seed)
    assert list(rows["path"]) == sorted(table["path"])
    assert (rows.groupby("group")["split"].nunique() == 1).all()
    assert (rows.groupby("label")["split"].nunique() == 3).all()
    order = random.sample(range(len(table)), len(table))
    assert splits_of(run(table.iloc[order], seed=seed)) == splits_of(rows)
    renamed = run(table.assign(path="/z" + table["path"]), seed=seed)
    assert list(renamed["split"]) == list(rows["split"])


@pytest.mark.parametrize("expression", [None, "/site([0-9]+)/"])
def test_group_of_several_classes_is_whole(expression):
    site = [str(n // 10 % 40) for n in range(len(WHOLE))]
    table = WHOLE.assign(group=site)
    if expression:
        table = WHOLE.assign(path=[f"/x/site{name}/{n}.jpg" for n, name in enumerate(site)])
    rows = run(table, group=expression)
    group_of = dict(zip(table["path"], site))
    assert (rows.groupby(rows["path"].map(group_of))["split"].nunique() == 1).all()
    assert splits_of(run(table, group=expression, seed=2)) != splits_of(rows)
    fractions = pd.crosstab(rows["label"], rows["split"], normalize="index")
    assert ((fractions["test"] - 0.2).abs() < 0.05).all()


VIDEO = {"group": "video([0-9]+)_"}
# Ten animals by the column; six videos by their names, whose numbers are those of other animals.
ANIMALS = [image(f"/{'ab'[n % 2]}/{n}.jpg", group=str(n // 6)) for n in range(60)]
VIDEOS = [image(f"/{'ab'[n % 2]}/video{n // 10}_{n}.jpg") for n in range(60)]


def test_photos_that_share_either_key_are_one_group_and_others_keep_theirs():
    linked = [image(f"/a/video5_{animal}.jpg", group=str(animal)) for animal in (8, 9)]
    table = pd.DataFrame([*ANIMALS, *VIDEOS, *linked])
    rows = run(table, **VIDEO)
    expected = table["path"].str.extract("/video([0-9])_", expand=False)
    expected = expected.fillna("animal" + table["group"]).replace(["animal8", "animal9"], "5")
    pairs = rows.assign(key=rows["path"].map(dict(zip(table["path"], expected))))
    assert len(pairs[["key", "group"]].drop_duplicates()) == 14 == rows["group"].nunique()
    assert (pairs.groupby("key")["split"].nunique() == 1).all()
    params = PARAMS.model_copy(update=VIDEO)
    line = describe_keys(table, params)
    assert line == "10 groups of the column and 6 of split.group make 14"
    assert describe_keys(table, PARAMS) == describe_keys(pd.DataFrame(VIDEOS), params) == ""
    # In splits.csv from before, linked animals are in two sets.
    kept = dict(zip(table["pixels_sha256"], ["train"] * 48 + ["test"] * 12 + ["validation"] * 62))
    (line,) = describe_kept_splits(run(table, kept, **VIDEO), kept)
    assert "divides 1 group" in line and "12 images are not in the split" in line


def test_two_keys_that_leave_a_class_too_few_groups_are_named():
    table = pd.DataFrame([*ANIMALS, *VIDEOS]).assign(label=["a"] * 30 + ["b"] * 90)
    table.loc[:29, "path"] = [f"/a/video9_{n}.jpg" for n in range(30)]
    parts = "class a", "Received: 1 with the column group", "makes 5", "split.group 1"
    with refused("split.group: ", *parts):
        run(table, **VIDEO)
    assert len(run(table)) == len(table)
    few = [image(f"/c/{n}.jpg", group="c") for n in range(2)]  # too few by each key
    assert len(run(pd.DataFrame([*ANIMALS, *VIDEOS, *few]), **VIDEO)) == 122
    archive = table.assign(archive_split=["train", "validation", "test"] * 40)
    assert len(run(archive, **VIDEO)) == len(table)  # whose splits stay


WASTE = images({f"/{label}": 40 for label in ("glass", "metal", "paper", "trash")})


def edited(table: pd.DataFrame, kind: str, number: int, random: Random) -> pd.DataFrame:
    """Return the table with this many images removed, added or relabelled, in random places."""
    labels = sorted(set(table["label"]))
    rows = random.sample(range(len(table)), number)
    if kind == "remove":
        return table.drop(index=rows)
    if kind == "add":
        return with_images(
            table, *(image(f"/{random.choice(labels)}/{random.random()}") for _ in rows)
        )
    changed = table["label"].copy()
    for row in rows:
        changed[row] = random.choice([label for label in labels if label != changed[row]])
    return table.assign(label=changed)


@pytest.mark.parametrize("edits", [20, pytest.param(500, marks=pytest.mark.extended)])
def test_edit_of_an_image_moves_few_others(edits):
    """Each image is its own group. Editing twenty images moves fewer than twenty others."""
    random = Random(0)
    others = {1: [], 20: []}
    for number in range(edits):
        if number % 30 == 0:
            seed = number
            before = run(WASTE, seed=seed)
        images_in_edit = 20 if number % 5 == 0 else 1
        after = edited(WASTE, random.choice(["add", "remove", "relabel"]), images_in_edit, random)
        both = before.merge(run(after, seed=seed), on=["pixels_sha256", "label"])
        others[images_in_edit].append(int((both["split_x"] != both["split_y"]).sum()))
    assert sum(moves <= 4 for moves in others[1]) >= 0.95 * len(others[1])
    assert sum(others[1]) > 0
    assert sum(moves < 20 for moves in others[20]) >= 0.95 * len(others[20])


def test_rule_that_decides_is_the_file_then_the_archive_then_ranks():
    folders = {f"{name}/{label}": 20 for name in ("train", "validation", "test") for label in "ab"}
    table = images(folders | {"train/c": 20, "validation/c": 20}).assign(group="")
    of_c = table.index[table["path"].str.startswith("train/c")]
    table.loc[of_c[:3], "group"] = "three"
    kept = {table["pixels_sha256"][of_c[1]]: "test", table["pixels_sha256"][0]: "test"}
    rows = split(table, PARAMS, kept)[0].set_index("pixels_sha256", drop=False)
    by_file = table["pixels_sha256"][[0, *of_c[:3]]]
    assert set(rows["split"][by_file]) == {"test"}
    by_rank = table["pixels_sha256"][of_c[3:]]
    assert set(rows["split"][by_rank]) == {"train", "test"}  # the archive has no c for testing
    given = rows.drop([*by_file, *by_rank])
    assert len(given) == 139 and (given["split"] == given["archive_split"]).all()


def test_near_duplicates_are_in_one_split_and_listed():
    first, *others = WHOLE.to_dict("records")
    copies = [like(row, f"/cat/copy{n}.jpg") for n, row in enumerate(others[:60])]
    chain = like(first, "/dog/near.jpg", 8), like(first, "/cat/far.jpg", 16)
    table = with_images(WHOLE, *copies, *chain)
    rows, alike, divided = split(table, PARAMS, {})
    assert (alike.groupby("group")["split"].nunique() == 1).all()
    assert (len(alike), alike["group"].nunique(), divided) == (123, 61, 0)
    assert len(set(alike.groupby("group")["split"].first())) == 3
    chain = alike[alike["path"].isin([first["path"], "/dog/near.jpg", "/cat/far.jpg"])]
    assert chain[["group", "path", "nearest", "distance"]].to_numpy().tolist() == [
        ["/cat/0.jpg", "/cat/0.jpg", "/dog/near.jpg", 8],
        ["/cat/0.jpg", "/cat/far.jpg", "/dog/near.jpg", 8],
        ["/cat/0.jpg", "/dog/near.jpg", "/cat/0.jpg", 8],
    ]
    labels = rows.set_index("path")["label"]
    others = alike[alike["contradicts"] != ""]
    assert (others["label"].array != labels[others["contradicts"]].array).all()
    assert {first["path"], "/cat/far.jpg"} < set(others["path"])


def test_many_that_look_alike_are_divided_and_the_pairs_between_splits_are_counted():
    same = pd.DataFrame([image(f"/cat/same{n}.jpg", perceptual_hash="0" * 64) for n in range(300)])
    rows, alike, divided = split(pd.concat([WHOLE, same]), PARAMS, {})
    assert alike["group"].value_counts().max() <= 20
    assert (rows["label"] == "cat").sum() * 0.2 == pytest.approx(
        ((rows["label"] == "cat") & (rows["split"] == "test")).sum(), abs=1
    )
    split_of = splits_of(rows)
    first = min(same["path"], key=lambda path: image(path)["pixels_sha256"])
    assert divided == sum(split_of[path] != split_of[first] for path in same["path"]) > 0


def by_fixed_camera(number: int) -> pd.DataFrame:
    """Return images of two classes whose hashes differ in at most two bits."""
    hashes = [f"{1 << 16 * (n % 16):064x}" for n in range(2 * number)]
    return images({"/good": number, "/bad": number}).assign(perceptual_hash=hashes)


def test_photos_of_a_fixed_camera_are_told_with_the_param_that_keeps_them_apart():
    rows, alike, _ = split(by_fixed_camera(60), PARAMS, {})
    line = describe_alike(rows, alike)
    assert "120 images" in line and "bad, good" in line
    with pytest.raises(InputError) as stop:
        split(by_fixed_camera(15), PARAMS, {})
    assert "15 of them" in str(stop.value) and "use_archive_split" not in str(stop.value)
    for told in (line, str(stop.value)):
        assert "split.near_duplicate_distance: 0" in told
    copies = [like(row, f"/cat/copy{n}.jpg") for n, row in enumerate(WHOLE.to_dict("records"))]
    rows, alike, _ = split(with_images(WHOLE, *copies), PARAMS, {})
    assert len(alike) == 2600 and describe_alike(rows, alike) == ""


def test_class_that_a_split_of_the_archive_lacks_gets_it_from_training_or_stays_without():
    folders = {f"{name}/{label}": 20 for name in ("train", "validation", "test") for label in "ab"}
    lacking = {"train/c": 30, "test/c": 5, "train/d": 1, "test/d": 5, "train/e": 30, "train/f": 2}
    table = images(folders | lacking)
    rows = run(table)
    counts = pd.crosstab(rows["label"], rows["split"])
    assert counts.loc["c"].to_dict() == {"train": 23, "validation": 7, "test": 5}
    assert counts.loc["d"].to_dict() == {"train": 1, "validation": 0, "test": 5}
    assert counts.loc["e"].to_dict() == {"train": 18, "validation": 6, "test": 6}
    assert counts.loc["f"].to_dict() == {"train": 1, "validation": 1, "test": 0}
    kept = rows["archive_split"].isin(["validation", "test"]) | rows["label"].isin(["a", "b"])
    assert (rows["split"] == rows["archive_split"])[kept].all()
    lacking = ["too few images for validation: d", "too few images for test: f"]
    assert describe_lacking(rows) == lacking
    assert describe_lacking(run(CURATED)) == []


@pytest.mark.parametrize(
    ("folders", "changes", "message"),
    [
        ({"/cat": 9, "/dog": 9}, {"group": "(jpg)"}, "class cat .* of its 9 images .groups: 1"),
        ({"train/cat": 9, "train/dog": 1, "validation/cat": 9}, {}, "class dog .* its 1 images"),
        ({"/cat": 9}, {"validation_fraction": 0.6, "test_fraction": 0.4}, "images for train"),
        ({"validation/cat": 3, "validation/dog": 3}, {}, "a folder named train in the archive"),
        ({"train/cat": 99, "/cat": 99}, {}, "/cat/0.jpg, which is not in a folder named train"),
    ],
)
def test_images_that_cannot_be_split_are_refused(folders, changes, message):
    with pytest.raises(InputError, match=message):
        run(images(folders), **changes)


def test_validation_of_the_archive_is_divided_in_the_ratio_of_the_fractions():
    folders = {"train/cat": 300, "train/dog": 310, "validation/cat": 100, "validation/dog": 200}
    rows = run(images(folders), validation_fraction=0.4, test_fraction=0.1)
    assert tuple(pd.crosstab(rows["label"], rows["split"])["test"]) == (20, 40)
    assert (rows["path"].str.startswith("train") == (rows["split"] == "train")).all()


def test_curated_test_split_stays_as_it_is_with_and_without_validation():
    rows = run(CURATED)
    assert (rows["split"] == rows["archive_split"]).all()
    without = CURATED[CURATED["archive_split"] != "validation"]
    rows = run(without, validation_fraction=0.25)  # out of 200 images
    assert ((rows["split"] == "test") == (rows["archive_split"] == "test")).all()
    assert Counter(rows["split"]) == {"train": 50, "validation": 50, "test": 100}


@pytest.mark.parametrize("place", [0, 99])
def test_given_test_set_that_shows_each_label_stays_as_it_is(place):
    """`indoor` is nowhere the rarest label in it, and its photos, or training, lack `none`."""
    table = images({"/a": 100}).assign(archive_split=["test"] * 20 + ["train"] * 80)
    table["label"] = ["indoor|sun"] * 20 + ["indoor"] * 40 + ["sun"] * 40
    table.loc[place, "label"] = "none"
    rows, *_ = split(table, PARAMS, {}, kind=SEVERAL_LABELS)
    assert ((rows["split"] == "test") == (rows["archive_split"] == "test")).all()


def test_given_test_set_gets_only_the_labels_that_it_lacks():
    table = images({"/a": 100}).assign(archive_split=["test"] * 20 + ["train"] * 80)
    others = ["indoor"] * 30 + ["sun"] * 30 + ["rare"] * 12 + ["none"] * 8
    table["label"] = ["indoor|sun"] * 20 + others
    rows, *_ = split(table, PARAMS, {}, kind=SEVERAL_LABELS)
    moved = rows[(rows["split"] == "test") & (rows["archive_split"] == "train")]
    assert set(moved["label"]) == {"rare"}


def test_label_without_training_images_is_refused_even_beside_rarer_ones():
    table = images({"/a": 20}).assign(archive_split=["test"] * 6 + ["train"] * 14)
    table["label"] = ["a|b"] * 3 + ["a|c"] * 3 + ["b", "c"] + ["d"] * 12
    with refused("images of class a for train. Received: none of its 6 images"):
        split(table, PARAMS, {}, kind=SEVERAL_LABELS)
    table["label"] = ["none"] * 6 + ["a"] * 14
    with refused("images of class none for train"):
        split(table, PARAMS, {}, kind=SEVERAL_LABELS)


@pytest.mark.parametrize(
    "groups",
    [
        ["a|b|c none", "a|c a|c", "none a|b", "c a"],
        ["a none", "b b|c", "none a|c", "b none"],
        ["a a", "a|c a", "none a", "a|b a|b", "none a|c"],
    ],
)
def test_groups_whose_images_show_several_labels_leave_each_for_training(groups):
    table = pd.concat([images({f"/{n}": 2}).assign(group=str(n)) for n in range(len(groups))])
    table["archive_split"] = ""
    table["label"] = " ".join(groups).split()
    rows, *_ = split(table, PARAMS, {}, SEVERAL_LABELS)
    shown = {name: SEVERAL_LABELS.names_in(of["label"]) for name, of in rows.groupby("split")}
    assert shown["train"] == {*"abc"} and len(shown) == 3
    assert (rows.groupby("group")["split"].nunique() == 1).all()


def test_near_duplicates_contradict_each_other_in_labels_that_both_know():
    first = image("/x/1.jpg")
    more = [image(f"/x/{n}.jpg", label="ab"[n % 2]) for n in range(3, 12)]
    for cells, contradict in (("a|b?", "a|b"), False), (("a|b?", "b"), True):
        pair = [first | {"label": cells[0]}, like(first, "/x/2.jpg") | {"label": cells[1]}]
        table = pd.DataFrame([*pair, *more]).assign(archive_split="")
        _, alike, _ = split(table, PARAMS, {}, kind=SEVERAL_LABELS)
        assert (alike["contradicts"] != "").tolist() == [contradict] * 2


def test_images_with_several_labels_are_divided_by_the_rarest_and_few_move():
    rng, names = Random(0), {"sea": 0.4, "sunset": 0.1, "trees": 0.3}
    table = images({"/a": 1000}).assign(archive_split="")
    table["label"] = [cell_of(n for n in names if rng.random() < names[n]) for _ in range(1000)]

    def divided(table: pd.DataFrame) -> pd.DataFrame:
        rows, alike, _ = split(table, PARAMS, {}, kind=SEVERAL_LABELS)
        assert set(alike["contradicts"]) == {""} if len(alike) else True
        assert rows.set_index("path")["label"].to_dict() == dict(zip(table["path"], table["label"]))
        return rows

    rows = divided(table)
    each = SEVERAL_LABELS.one_per_label(rows)
    shares = each.groupby("label")["split"].value_counts(normalize=True)
    assert all(abs(share - 0.2) < 0.03 for share in shares.xs("test", level="split"))
    moved = []
    for place in range(0, 1000, 50):
        other = table.copy()
        other.loc[place, "label"] = "sunset" if table["label"][place] == "sea" else "sea"
        before, after = splits_of(rows), splits_of(divided(other))
        moved.append(sum(before[path] != after[path] for path in before) - 1)
    assert max(moved) <= 5
