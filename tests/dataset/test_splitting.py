import hashlib
import math
from collections import Counter

import pandas as pd
import pytest
from conftest import clean_archive

from pawprint.core.errors import InputError
from pawprint.dataset.splitting import split

PARAMS = {
    "seed": 1,
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "near_duplicate_distance": 8,
    "use_archive_split": True,
}


def images(folders: dict[str, int]) -> pd.DataFrame:
    """Images as `clean` lists them: {"train/cat": 3}, or {"/cat": 3} without a split."""
    rows = [
        {
            "path": (path := f"{folder}/{index}.jpg"),
            "label": folder.split("/")[1],
            "archive_split": folder.split("/")[0],
            "perceptual_hash": hashlib.sha256(path.encode()).hexdigest()[:16],
        }
        for folder, number in folders.items()
        for index in range(number)
    ]
    return pd.DataFrame(rows)


SPLIT_ARCHIVE = images(
    {"train/cat": 300, "train/dog": 310, "validation/cat": 100, "validation/dog": 200}
)
WHOLE = images({"/cat": 400, "/dog": 900})


def records(table: pd.DataFrame) -> list[dict]:
    return table.to_dict("records")


def like(image: dict, name: str, bits: int, **changes: str) -> dict:
    """Another image whose hash differs from this one's by so many bits."""
    value = int(image["perceptual_hash"], 16) ^ ((1 << bits) - 1)
    changed = {"path": f"{image['path']}.{name}", "perceptual_hash": f"{value:016x}"}
    return image | changed | changes


def splits_of(rows: pd.DataFrame) -> dict[str, str]:
    return dict(zip(rows["path"], rows["split"]))


def with_images(table: pd.DataFrame, *more: dict) -> pd.DataFrame:
    return pd.concat([table, pd.DataFrame(more)])


def test_archive_keeps_its_split_and_a_fifth_of_validation_becomes_test():
    rows, listed = split(SPLIT_ARCHIVE, **PARAMS)
    counts = pd.crosstab(rows["split"], rows["label"])
    assert counts.loc["train"].to_dict() == {"cat": 300, "dog": 310}
    assert counts.loc[["validation", "test"]].to_numpy().sum() == 300
    assert (rows["path"].str.startswith("train") == (rows["split"] == "train")).all()
    assert listed.empty


@pytest.mark.parametrize("seed", range(20))
def test_fractions_of_each_class_are_met_within_four_standard_deviations(seed):
    rows, _ = split(WHOLE, **PARAMS | {"seed": seed})
    counts = pd.crosstab(rows["label"], rows["split"])
    for label, number in (("cat", 400), ("dog", 900)):
        for name, fraction in (("test", 0.2), ("validation", 0.2), ("train", 0.6)):
            deviation = math.sqrt(fraction * (1 - fraction) / number)
            assert abs(counts.loc[label, name] / number - fraction) <= 4 * deviation


def test_every_image_is_in_exactly_one_split():
    rows, _ = split(SPLIT_ARCHIVE, **PARAMS)
    assert list(rows["path"]) == sorted(SPLIT_ARCHIVE["path"])


def test_seed_alone_decides_and_not_the_order_of_rows():
    again = splits_of(split(SPLIT_ARCHIVE[::-1], **PARAMS)[0])
    assert again == splits_of(split(SPLIT_ARCHIVE, **PARAMS)[0])
    assert splits_of(split(SPLIT_ARCHIVE, **PARAMS | {"seed": 2})[0]) != again


def test_added_and_removed_images_move_no_other():
    before = splits_of(split(WHOLE, **PARAMS)[0])
    more = splits_of(split(images({"/cat": 900, "/dog": 1200, "/bird": 300}), **PARAMS)[0])
    assert before.items() <= more.items()
    fewer = splits_of(split(WHOLE[::3], **PARAMS)[0])
    assert fewer.items() <= before.items()


def test_renamed_image_stays_in_its_split():
    renamed = WHOLE.assign(path=WHOLE["path"] + ".old")
    after = splits_of(split(renamed, **PARAMS)[0])
    assert after == {
        f"{path}.old": name for path, name in splits_of(split(WHOLE, **PARAMS)[0]).items()
    }


def drawn(image: dict, seed: int = 1) -> float:
    """The number in [0, 1) that decides the split of an image."""
    digest = hashlib.sha256(f"{seed}:{image['perceptual_hash']}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def expected_split(draw: float, test: float, validation: float) -> str:
    return "test" if draw < test else "validation" if draw < test + validation else "train"


@pytest.mark.parametrize(("seed", "test", "validation"), [(1, 0.2, 0.2), (7, 0.1, 0.4)])
def test_hash_decides_the_split_of_each_image(seed, test, validation):
    rows, _ = split(
        WHOLE,
        seed=seed,
        test_fraction=test,
        validation_fraction=validation,
        near_duplicate_distance=0,
        use_archive_split=True,
    )
    assert splits_of(rows) == {
        image["path"]: expected_split(drawn(image, seed), test, validation)
        for image in records(WHOLE)
    }


def test_group_is_in_the_split_of_its_smallest_hash_and_the_moved_are_counted():
    groups = [(image, like(image, "a", 5), like(image, "b", 8)) for image in records(WHOLE[:200])]
    copies = [image for _, *others in groups for image in others]
    rows, listed = split(with_images(WHOLE, *copies), **PARAMS)
    split_of, expected_moved = splits_of(rows), 0
    for group in groups:
        expected = expected_split(min(map(drawn, group)), 0.2, 0.2)
        assert {split_of[image["path"]] for image in group} == {expected}
        expected_moved += sum(expected_split(drawn(image), 0.2, 0.2) != expected for image in group)
    assert listed["moved"].sum() == expected_moved > 0
    assert (len(listed), listed["group"].nunique()) == (600, 200)


def test_listed_images_name_their_group_and_the_nearest_image():
    first = records(WHOLE)[5] | {"path": "a"}
    more = [like(first, "b", 3), like(first, "c", 4), first | {"path": "d", "label": "dog"}]
    _, listed = split(with_images(WHOLE[20:], *more, first), **PARAMS)
    assert listed[["group", "path", "label", "nearest", "distance"]].to_numpy().tolist() == [
        ["a.b", "a", "cat", "d", 0],
        ["a.b", "a.b", "cat", "a.c", 1],
        ["a.b", "a.c", "cat", "a.b", 1],
        ["a.b", "d", "dog", "a", 0],
    ]
    assert listed["split"].nunique() == 1


def test_image_at_one_bit_more_than_the_distance_is_no_near_duplicate():
    image = records(WHOLE)[0]
    for bits, number in ((4, 2), (5, 0)):
        images = with_images(WHOLE, like(image, "copy", bits))
        assert len(split(images, **PARAMS | {"near_duplicate_distance": 4})[1]) == number


def test_images_that_look_alike_are_in_one_split_and_listed():
    copies = [like(image, f"copy{bits}", bits) for image in records(WHOLE[:60]) for bits in (0, 3)]
    unlike = [like(image, "other", 9) for image in records(WHOLE[100:160])]
    rows, listed = split(with_images(WHOLE, *copies, *unlike), **PARAMS)
    split_of = splits_of(rows)
    groups: dict[str, set[str]] = {}
    for row in records(listed):
        assert split_of[row["path"]] == row["split"]
        groups.setdefault(row["group"], set()).add(row["split"])
    assert all(len(names) == 1 for names in groups.values())
    assert (len(groups), len(listed)) == (60, 180)
    assert Counter(listed["distance"]) == {0: 120, 3: 60}
    assert listed["moved"].any()


def test_likeness_is_handed_on_from_image_to_image():
    first = records(WHOLE)[0]
    second, third = like(first, "a", 8), like(first, "b", 16)
    _, listed = split(with_images(WHOLE, second, third), **PARAMS)
    assert set(listed["path"]) == {first["path"], second["path"], third["path"]}
    assert set(listed["group"]) == {first["path"]}


def test_group_in_train_and_validation_of_the_archive_goes_to_training():
    original = records(SPLIT_ARCHIVE)[0]
    leak = like(original, "leak", 2, archive_split="validation")
    rows, listed = split(with_images(SPLIT_ARCHIVE, leak), **PARAMS)
    assert splits_of(rows)[leak["path"]] == "train"
    assert set(listed["path"]) == {original["path"], leak["path"]}
    assert list(listed["path"][listed["moved"]]) == [leak["path"]]


def test_too_few_images_name_the_class_and_the_split():
    with pytest.raises(
        InputError, match=r"at least one dog for the test split\..* none of 3 images"
    ):
        split(
            images({"train/cat": 9, "train/dog": 1, "validation/cat": 90, "validation/dog": 2}),
            **PARAMS,
        )


def test_archive_with_only_a_train_folder_is_divided_as_one_without_split_folders():
    only_train = split(WHOLE.assign(archive_split="train"), **PARAMS)
    without = split(WHOLE, **PARAMS)
    assert splits_of(only_train[0]) == splits_of(without[0])
    assert not only_train[1]["moved"].any()


def test_archive_with_validation_and_no_train_says_so():
    with pytest.raises(InputError, match="expected a folder train in the archive beside"):
        split(images({"validation/cat": 3, "validation/dog": 3}), **PARAMS)


def test_archive_that_is_split_in_part_only_is_refused():
    with pytest.raises(InputError, match=r"Received: /cat/0\.jpg, which is in no folder train"):
        split(images({"train/cat": 3, "/cat": 3}), **PARAMS)


CURATED = images(
    {f"{name}/{label}": 50 for name in ("train", "validation", "test") for label in "ab"}
)


def test_curated_test_split_stays_as_it_is_with_and_without_validation():
    rows, _ = split(CURATED, **PARAMS)
    assert (rows["split"] == rows["archive_split"]).all()
    assert not rows["moved"].any()
    without = CURATED[CURATED["archive_split"] != "validation"]
    rows, _ = split(without, **PARAMS | {"validation_fraction": 0.5})
    is_test = rows["archive_split"] == "test"
    assert ((rows["split"] == "test") == is_test).all()
    of_train = rows["split"][~is_test]
    assert 30 < (of_train == "validation").sum() < 70


def test_near_duplicate_of_a_test_image_is_listed_and_leaves_the_test_split_alone():
    original = CURATED[CURATED["archive_split"] == "test"].iloc[0].to_dict()
    leak = like(original, "leak", 2, archive_split="train")
    rows, listed = split(with_images(CURATED, leak), **PARAMS)
    assert splits_of(rows)[original["path"]] == "test"
    assert splits_of(rows)[leak["path"]] == "train"
    assert set(listed["split"]) == {"train", "test"}


def test_near_duplicate_of_a_test_image_is_where_it_is_without_the_test_image():
    """The smaller hash of a test image does not move it between training and validation."""
    without = CURATED[CURATED["archive_split"] != "validation"]
    originals = records(without[without["archive_split"] == "test"])
    leaks = [like(image, "leak", 2, archive_split="train") for image in originals]
    rows, listed = split(with_images(without, *leaks), **PARAMS)
    split_of = splits_of(rows)
    assert {leak["path"]: split_of[leak["path"]] for leak in leaks} == {
        leak["path"]: "validation" if drawn(leak) < 0.2 else "train" for leak in leaks
    }
    assert (len(listed), listed["moved"].sum()) == (200, 0)


def test_split_of_the_archive_can_be_ignored():
    ignored = split(CURATED, **PARAMS | {"use_archive_split": False})
    without = split(CURATED.assign(archive_split=""), **PARAMS)
    assert splits_of(ignored[0]) == splits_of(without[0])
    partly = images({"train/cat": 99, "/cat": 99})
    split(partly, **PARAMS | {"use_archive_split": False})


def test_real_photos_hold_one_pair_that_looks_alike(mirror):
    kept, _ = clean_archive(mirror / "cats_and_dogs_filtered.zip")
    rows, listed = split(kept, **PARAMS)
    assert [path.split("/")[-1] for path in listed["path"]] == ["dog.180.jpg", "dog.74.jpg"]
    assert (set(listed["split"]), listed["moved"].sum()) == ({"train"}, 0)
    assert len(rows) == 2999
