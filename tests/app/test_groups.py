"""Test pages of photos that look alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import clean_archive, photos_of, refused, write_files

from pawprint.app.groups import PER_PAGE, Pages, Pool, find_clusters, read_pool, surest
from pawprint.app.labelling import ImageKey, order_classes
from pawprint.base import paths
from pawprint.base.columns import PATHS, REJECTED
from pawprint.base.errors import InputError
from pawprint.base.labels import UNLABELLED
from pawprint.base.tables import write_table
from pawprint.data.sources import fetch
from pawprint.network.store import INDEX, shard_path, write_shard

KINDS = ("ant", "bee", "cat")
EACH = 60


def pool_of(rows: np.ndarray, others: int = 0, known: tuple[str, ...] = ()) -> Pool:
    """Return a pool with these rows, ending with training images of the classes `known`."""
    images = [(f"{number}.jpg", f"{number:064}") for number in range(len(rows) - len(known))]
    without = [(f"other {number}.jpg", "") for number in range(others)]
    return Pool(images, without, rows, [*known], *find_clusters(rows))


def made_up(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 rows for photos of KINDS and their classes, in random order."""
    random = np.random.default_rng(0)
    kinds = random.permutation(np.repeat(KINDS, EACH))
    centres = dict(zip(KINDS, random.normal(size=(len(KINDS), 32))))
    rows = (
        np.array([centres[kind] for kind in kinds]) + random.normal(size=(len(kinds), 32)) * noise
    )
    return rows.astype(np.float32), kinds


class Person:
    """A person who knows the class of each photo, and labels all of them page by page."""

    def __init__(self, pool: Pool, kinds: np.ndarray) -> None:
        self.pool, self.pages = pool, Pages()
        self.kind = dict(zip(pool.images, kinds))
        self.given: dict[str, str] = {}
        self.seen: list[tuple[list[ImageKey], str]] = []
        self.sure: list[list[ImageKey]] = []
        self.keys = 0

    def page(self) -> list[ImageKey]:
        self.pages.turn(self.pool, self.given)
        self.seen.append((self.pages.images, self.pages.label))
        self.sure.append(self.pages.images[: self.pages.sure])
        return self.pages.images

    def answer(self, label: str | None = None) -> None:
        """Label the photos of the most frequent class with that class."""
        images = self.pages.images
        kinds = [self.kind[image] for image in images]
        label = label or max(sorted(set(kinds)), key=kinds.count)
        right = {place for place, kind in enumerate(kinds) if kind == label}
        self.keys += 1 + min(len(images) - len(right), len(right) + 1)
        written = {images[place][1] or images[place][0]: label for place in right}
        self.given |= written
        self.pages.answer(right, label, lambda: [self.given.pop(pixels) for pixels in written])


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_all_photos_get_a_label_with_few_keys_also_where_groups_are_mixed(noise):
    """Pages are full as long as there are enough photos.

    Unmarked photos come back later, and not for the class that they did not get.
    """
    rows, kinds = made_up(noise)
    person = Person(pool_of(rows), kinds)
    refused: set[tuple[ImageKey, str]] = set()
    unmarked: set[ImageKey] = set()
    while images := person.page():
        left = {image for image in person.kind if image[1] not in person.given}
        may_be = {image for image in left if (image, person.pages.label) not in refused}
        assert len(images) == min(PER_PAGE, len(may_be)) and set(images) <= may_be
        assert len(may_be - unmarked) < PER_PAGE or not unmarked & set(images)
        assert person.pages.sure <= len(images)
        person.answer()
        unmarked = {image for image, _ in person.pages.answers[-1].refused}
        refused |= {(image, person.pages.refused[-1][1]) for image in unmarked}
    assert len(person.given) == len(kinds)
    assert person.keys < len(kinds) / 3
    by_head = [(images, label) for images, label in person.seen if label]
    right = sum(person.kind[image] == label for images, label in by_head for image in images)
    assert by_head and right >= 0.6 * sum(len(images) for images, _ in by_head)
    if noise < 1:
        assert all(len({person.kind[image] for image in images}) <= 1 for images in person.sure)


def test_last_page_is_taken_back_as_it_was():
    rows, kinds = made_up(2.0)
    person = Person(pool_of(rows), kinds)
    person.page()
    person.answer()
    images = person.page()
    before = dict(person.given), list(person.pages.refused)
    person.answer()
    person.page()
    person.pages.size = 1  # from now on, one photo at a time
    person.pages.take_back()
    assert person.pages.images == images
    assert person.pages.size == PER_PAGE
    assert (person.given, person.pages.refused) == before


def test_page_whose_labels_others_changed_is_not_taken_back():
    rows, kinds = made_up(0.3)
    person = Person(pool_of(rows), kinds)

    def refuse() -> None:
        raise InputError("labels.csv: written since")

    images = person.page()
    person.pages.answer({0}, "ant", refuse)
    with pytest.raises(InputError):
        person.pages.take_back()
    assert len(person.pages.answers) == 1
    assert person.pages.images == []
    assert len(person.pages.refused) == len(images) - 1


def test_training_images_are_learned_from_and_photos_without_features_come_last():
    rows, kinds = made_up(0.3)
    pool = pool_of(rows, others=3, known=tuple(kinds[-120:]))
    pages = Pages()
    pages.turn(pool, {})
    kind = dict(zip(pool.images, kinds))
    assert {kind[image] for image in pages.images} == {pages.label}
    given = {pixels: "ant" for _, pixels in pool.images}
    pages.turn(pool, given | {"other 1.jpg": "bee"})
    assert pages.images == [("other 0.jpg", ""), ("other 2.jpg", "")]


def test_only_photos_that_are_more_likely_right_than_wrong_are_marked():
    probabilities = np.array([[0.4, 0.35, 0.25], [0.7, 0.2, 0.1], [0.45, 0.3, 0.25]])
    group = surest(
        np.arange(3), pd.DataFrame(probabilities, columns=["ant", "bee", "cat"]), set(), 24
    )
    assert (group.photos.tolist(), group.label, group.sure) == ([1, 2, 0], "ant", 1)


def test_class_stays_where_it_is_when_one_is_added():
    assert order_classes({"owl", "bee"}, [], ["owl", "bee"]) == ["owl", "bee"]
    assert order_classes({"owl", "bee", "ant"}, [], ["owl", "bee", "ant"]) == ["owl", "bee", "ant"]
    assert order_classes({"cat", "dog"}, ["cat", "dog"], ["dog"]) == ["cat", "dog"]


def test_page_without_a_mark_shows_its_cluster_no_more_before_all_others():
    rows, kinds = made_up(0.3)
    person = Person(pool_of(rows), kinds)
    first = set(person.page())
    person.pages.answer(set(), "", lambda: None)
    number = dict(zip(person.pool.images, person.pool.cluster))
    second = set(person.page())
    assert not {number[image] for image in first} & {number[image] for image in second}


def test_unmarked_photos_stay_until_they_have_an_answer_or_are_skipped():
    pool = Pool([], [(f"{number}.jpg", "") for number in range(2 * PER_PAGE)], stays=True)
    pages, shown = Pages(), []
    given: dict[str, str] = {}
    for marked in {0, 1}, set(), {0}:
        pages.turn(pool, given)
        shown.append([path for path, _ in pages.images])
        given |= {shown[-1][place]: "" for place in marked}
        pages.answer(marked, "sea", lambda: None)
    assert shown[1] == shown[0][2:]
    assert not {*shown[2]} & {*shown[0]}


def test_skipped_pages_show_all_of_few_photos():
    rows, _ = made_up(1)
    for number in (1, 2, 5, *range(PER_PAGE + 1, 2 * PER_PAGE)):
        pool = pool_of(rows[:number])
        pages, shown = Pages(), set()
        for _ in range(3):
            pages.turn(pool, {})
            shown |= {*pages.images}
            pages.answer(set(), "", lambda: None)
        assert len(shown) == number


def test_pool_is_read_before_any_label_and_where_too_few_labels_made_the_split_fail(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "photos", photos_of(f"{number}.jpg" for number in range(6)))
    params = (
        "clean: {labels: auto, rule: decodes, bits: null, several_labels: false, not_asked: []}\n"
    )
    write_files(tmp_path, {"params.yaml": params})
    fetch(Path("photos"), paths.RAW_ARCHIVES)
    kept, rejected, _ = clean_archive(paths.RAW_ARCHIVES, labels="auto")
    kept["split"] = UNLABELLED
    write_table(paths.REJECTED_CSV, rejected, REJECTED)
    sorted_pixels = sorted(kept["pixels_sha256"])
    index = np.zeros(6, INDEX)
    index["pixels_sha256"] = sorted_pixels
    folder = paths.FEATURES / "unlabelled"
    folder.mkdir(parents=True)
    rows = np.arange(6, dtype=np.float32)[:, None] + np.ones((1, 4), np.float32)
    write_shard(shard_path(folder, 0), {"index": index, "top": rows})
    for labelled in (0, 2):  # photos that have got a label
        write_table(paths.PATHS_CSV, kept.iloc[labelled:], PATHS)
        pool = read_pool()
        assert pool.known == []
        pixels = [pixels for _, pixels in pool.images]
        assert pool.rows[:, 0].tolist() == [1 + sorted_pixels.index(each) for each in pixels]
    write_table(paths.PATHS_CSV, kept.assign(pixels_sha256=64 * "0"), PATHS)
    with refused("expected features"):
        read_pool()
