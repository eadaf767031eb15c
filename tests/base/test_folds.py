"""Test which choices are made by a hash, and how edits of images change them."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from made_up_examples import sha256_of

from pawprint.base.folds import FOLDS, draw_folds, draw_places, join_keys
from pawprint.model.unknown_score import fit_with_scores
from pawprint.network import cross_validation as validation

EDITS = 200


def made_up() -> pd.DataFrame:
    """Return photos of classes with 2 to 100 groups, including near-duplicates and series.

    Some groups have two classes.
    """
    rng = np.random.default_rng(0)
    rows = []
    for label, groups in {"ant": 50, "bee": 40, "cat": 9, "dog": 5, "eel": 3, "fox": 2}.items():
        for number in range(groups):
            other = "bee" if number % 10 == 3 else label
            size = rng.choice([1, 1, 1, 2, 3, 20])
            rows += [
                (label if rng.random() < 0.7 else other, f"{label} {number}") for _ in range(size)
            ]
    table = pd.DataFrame(rows, columns=["label", "group"])
    return table.assign(key=sha256_of(np.arange(len(table))))


def folds_of(table: pd.DataFrame) -> pd.Series:
    """Return the fold of each photo, by its key."""
    fold = draw_folds(*(table[name].to_numpy() for name in ("label", "group", "key")))
    return pd.Series(fold, table["key"])


def class_of(labels: pd.Series) -> str:
    """Return the class that a group counts for."""
    return max(sorted(set(labels)), key=labels.tolist().count)


def edited(table: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """Return the photos after one random edit, and the group that was edited."""
    photo = table.iloc[[rng.integers(len(table))]]
    group = photo["group"].item()
    is_photo = table.index == photo.index.item()
    new = photo.assign(key=sha256_of(rng.integers(2**62, size=1)))
    match rng.integers(5):
        case 0:
            return table[~is_photo], group
        case 1:
            return table[table["group"] != group], group
        case 2:
            return pd.concat([table, new]), group  # a near-duplicate
        case 3:
            return pd.concat([new.assign(group="new"), table]), "new"
    return table.assign(label=table["label"].mask(is_photo, rng.choice(table["label"]))), group


def test_an_edit_moves_few_groups_of_its_classes_to_another_fold_and_taken_back_none():
    table = made_up()
    before = folds_of(table)
    rng = np.random.default_rng(1)
    moved_in_all = 0
    for _ in range(EDITS):
        new, edited_group = edited(table, rng)
        after = folds_of(new.sample(frac=1, random_state=rng)).reindex(table["key"])
        is_other = (table["group"] != edited_group).to_numpy()
        moved = table[is_other & (before.to_numpy() != after.to_numpy())]
        classes = {*new["label"][new["group"] == edited_group], *table["label"][~is_other]}
        by_class = Counter(class_of(labels) for _, labels in moved.groupby("group")["label"])
        assert set(by_class) <= classes
        assert all(number < FOLDS for number in by_class.values())
        moved_in_all += by_class.total()
    assert 0 < moved_in_all < 4 * EDITS
    shuffled = table.sample(frac=1, random_state=0)
    assert folds_of(shuffled)[table["key"]].to_numpy().tobytes() == before.to_numpy().tobytes()


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 5, 6, 9, 10, 101])
def test_folds_have_as_many_groups_of_each_class(groups):
    labels = np.array(["ant", "bee", "cat"] * groups)
    photos = np.arange(len(labels))
    fold = draw_folds(labels, photos, sha256_of(photos))
    for label in set(labels):
        sizes = np.bincount(fold[labels == label], minlength=FOLDS)
        assert np.ptp(sizes) <= 1 or groups == 1
    assert len(np.unique(fold)) == (3 if groups == 1 else FOLDS)


def test_a_fold_has_whole_series_and_about_as_many_photos_as_others():
    table = made_up()
    fold = folds_of(table).to_numpy()
    assert (pd.Series(fold).groupby(table["group"]).nunique() == 1).all()
    assert np.bincount(fold).min() > 0.5 * len(table) / FOLDS


def test_names_of_groups_move_nothing_and_ties_of_classes_go_to_the_first():
    table = made_up()
    renamed = table["group"].map({name: -place for place, name in enumerate(set(table["group"]))})
    assert folds_of(table.assign(group=renamed)).equals(folds_of(table))
    tied = pd.DataFrame({"label": ["bee", "ant"] * 20, "group": np.arange(40) // 2})
    tied["key"] = sha256_of(np.arange(40))
    assert folds_of(tied).equals(folds_of(tied.assign(label="ant")))


def test_parts_of_each_class_change_by_one_at_most_and_have_one_at_least():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 300, p=[0.6, 0.39, 0.01])
    keys = sha256_of(np.arange(300))
    places = pd.Series(draw_places(labels, keys, "a"), keys)
    for photo in range(20):
        others = np.arange(300) != photo
        after = pd.Series(draw_places(labels[others], keys[others], "a"), keys[others])
        for fraction in validation.PARTS:
            assert (after < fraction).sum() >= 3
            assert ((after < fraction) != (places[keys[others]] < fraction)).sum() <= 1
    assert not np.allclose(places, draw_places(labels, keys, "b"))


def photos_in_another_order(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return keys of photos, and an order that results from inserting new photos."""
    return sha256_of(np.arange(number)), np.random.default_rng(0).permutation(number)


def test_folds_of_the_detector_depend_on_photos_not_on_their_order():
    keys, order = photos_in_another_order(60)
    features = np.random.default_rng(1).exponential(1, (60, 20))
    scores = fit_with_scores(features, keys)[1]
    np.testing.assert_allclose(fit_with_scores(features[order], keys[order])[1], scores[order])


def test_a_text_that_both_keys_have_joins_nothing():
    with pd.option_context("mode.string_storage", "python"):  # as without pyarrow
        column, matched = pd.Series(["5", "6", ""]), pd.Series(["", "5", "5"])
        assert join_keys(column, matched).nunique() == 2
