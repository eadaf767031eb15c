"""Test the app's pages in Streamlit's own test runner, without a browser."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from app_project import PHOTOS, opened, write_photos, write_split
from conftest import PROJECT, change, photo, refused, write_files
from streamlit.testing.v1 import AppTest

from pawprint.app import HERE, groups, labelling, page_label, photos
from pawprint.base import paths
from pawprint.base.columns import LABELS_TO_REVIEW
from pawprint.base.columns import to_review as columns_to_review
from pawprint.base.errors import InputError
from pawprint.base.files import pack
from pawprint.base.tables import write_table


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return a project with photos that is the current directory."""
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(PROJECT / "params.yaml", project)
    write_photos(project)
    monkeypatch.chdir(project)
    return project


def test_message_has_its_commands_as_code_and_other_text_unchanged():
    assert photos.message("*a*: run `dvc *`, not `b") == r"\*a\*\: run `dvc *`\, not \`b"


class Review:
    """The labels to review, as a browser shows them."""

    def __init__(self) -> None:
        shown: list[page_label.SuspectPhotos] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page_label, "show_pages", shown.append)
            page_label.show_review()
        (self.source,) = shown
        self.pages = groups.Pages(size=1)

    def path(self) -> str:
        """Return the path of the image that is shown."""
        page_label.cells_of(self.source, self.pages, self.source.given())
        ((path, _),) = self.pages.images
        return path

    def answer(self, label: str) -> str:
        """Label the image that is shown and return its path."""
        path = self.path()
        asked = {"marked": [0] if label else [], "label": label}
        page_label.give_labels(self.source, self.pages, asked)
        return path

    def undo(self) -> str:
        """Undo the last answer and return the path of its image."""
        page_label.undo(self.source, self.pages, {})
        return self.path()


def to_review(
    project: Path, rows: list[tuple], labels: tuple[str, ...] = (), renamed=None
) -> Review:
    """Return the labels to review in a data set with more labels."""
    write_split(project, labels, renamed)
    columns = columns_to_review(exclusive=len(rows[0]) == len(LABELS_TO_REVIEW))
    table = pd.DataFrame(rows, columns=list(columns))
    write_table(project / paths.LABELS_TO_REVIEW_CSV, table, columns)
    return Review()


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label.startswith(label)).click().run()
    assert not page.exception


OTHER = {"cat": "dog", "dog": "cat"}
SUSPECTS = [(path, label, OTHER[label], "test", 0.1, "", pixels) for path, label, pixels in PHOTOS]
FIRST, PIXELS = PHOTOS[0][0], PHOTOS[0][2]
HEADER = "path,label,pixels_sha256\n"


def test_class_has_the_same_digit_in_all_tabs_when_labels_come_from_labels_csv(project):
    change(project, "clean: {labels: auto}")
    flat = {path: path.replace("/", " ") for path, *_ in PHOTOS}  # no folder is a class
    pack(project / paths.RAW_IMAGES, ((flat[row[0]], photo(0)) for row in PHOTOS))
    (project / paths.LABELS_CSV).write_text("path,label\nx.jpg,dog\ny.jpg,cat\n", encoding="utf-8")
    labels = to_review(project, SUSPECTS, renamed=flat).source.classes()
    assert labels == ["dog", "cat"]
    assert page_label.classes_here() == labels
    assert page_label.in_order(["cat", "dog", "ant"]) == [*labels, "ant"]
    pack(project / paths.RAW_IMAGES, ((row[0], photo(0)) for row in PHOTOS))
    rows = "path,label\nx.jpg,dogs\ny.jpg,cats\n"
    (project / paths.LABELS_CSV).write_text(rows, encoding="utf-8")
    assert page_label.in_order(["dogs", "cats"]) == ["cats", "dogs"]  # the folders


def test_answer_that_cannot_be_saved_is_explained_and_asked_for_again(project):
    review = to_review(project, SUSPECTS)
    first = review.path()
    (project / paths.LABELS_CSV).write_text("path label\n", encoding="utf-8")
    with refused("labels.csv: line 1"):
        review.source.give(review.pages.images, "dog")
    (project / paths.LABELS_CSV).unlink()
    assert review.path() == first


@pytest.mark.parametrize(
    ("row", "number"), [(f"{FIRST},none,{64 * 'f'}", 4), (f"cats/old.jpg,none,{PIXELS}", 3)]
)
def test_correction_counts_for_the_image_with_its_pixels(project, row, number):
    """A correction of a replaced photo does not count. One of a renamed photo does."""
    (project / paths.LABELS_CSV).write_text(f"{HEADER}{row}\n", encoding="utf-8")
    source = to_review(project, SUSPECTS).source
    counts = page_label.count_photos(source.pool, (), source.given())
    assert counts == (4 - number, number)


def test_labels_to_review_are_corrected_skipped_and_undone_in_their_order(project):
    review = to_review(project, SUSPECTS)
    assert review.source.pool.about[FIRST].startswith("Labelled cat (test), with probability 10.0%")
    assert page_label.beside(review.source, review.pages) is None
    assert review.answer("dog") == FIRST
    assert labelling.labels_given(HERE) == {PIXELS: "dog"}
    assert review.undo() == FIRST
    assert labelling.labels_given(HERE) == {}
    assert review.answer("") == FIRST
    for _ in SUSPECTS[1:]:
        assert review.answer("none") != FIRST
    assert review.answer("cat") == FIRST  # skipped, so it comes last
    assert "reviewed all" in opened("page_label", "show_review").success[0].value


def test_near_duplicate_that_contradicts_is_shown_beside_the_photo(project):
    other = PHOTOS[2][0]
    row = (FIRST, "cat", "dog", "test", 0.1, other, PIXELS)
    review = to_review(project, [row])
    assert review.path() == FIRST
    shown = page_label.beside(review.source, review.pages)
    assert shown == {"src": photos.large(other), "alt": other}


def test_photos_that_were_moved_are_named(project):
    to_review(project, SUSPECTS)
    pack(project / paths.RAW_IMAGES, [("other.jpg", photo(0))])
    end = opened("page_label", "show_review").success[0].value
    assert "moved" in end and photos.plain(FIRST) in end


def test_photos_can_be_prepared_before_the_first_run(project):
    paths.SPLIT_CSV.unlink()
    write_files(project, {".dvc/config": "[core]\n no_scm = true\n"})
    page = opened("page_label", "show")
    assert [button.label for button in page.button] == ["Prepare the photos"]


def test_class_without_a_key_is_typed_and_must_be_one_of_the_classes(project):
    labels = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay", "kite")
    review = to_review(project, SUSPECTS[:2], labels)
    assert review.source.classes() == ["cat", "dog", *labels[:2], *labels[4:]]
    assert review.answer("Kite") == FIRST
    first = f"{HEADER}{FIRST},kite,{PIXELS}\n"
    assert (project / paths.LABELS_CSV).read_text(encoding="utf-8") == first
    review.undo()
    assert (project / paths.LABELS_CSV).read_text(encoding="utf-8") == HEADER
    with refused("Class: expected one of cat"):
        review.answer("lynx")


def test_image_renamed_since_it_was_listed_is_corrected_under_its_present_name(project):
    review = to_review(project, SUSPECTS[:1], renamed={FIRST: "cats/2.jpg", "cats/2.jpg": FIRST})
    review.answer("none")
    expected = f"{HEADER}cats/2.jpg,none,{PIXELS}\n"
    assert (project / paths.LABELS_CSV).read_text(encoding="utf-8") == expected


def test_photos_that_are_gone_are_neither_shown_nor_marked(project, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    images = [(f"{number}.jpg", f"{number:064}") for number in range(len(rows))]
    pool = groups.Pool(images, [], rows, [], *groups.find_clusters(rows))
    source = page_label.UnlabelledPhotos(pool)
    pages = groups.Pages()
    pages.turn(pool, {})
    gone = {path for path, _ in pages.images[: pages.sure]}
    assert len(gone) < len(pages.images)

    def read(path):
        if path in gone:
            raise InputError(f"{path}: not found")
        return ""

    monkeypatch.setattr(photos, "square", read)
    cells = page_label.cells_of(source, pages, {})
    assert pages.sure == 0
    assert len(cells) == len(pages.images) > 0
    assert not gone & {cell["alt"] for cell in cells}
