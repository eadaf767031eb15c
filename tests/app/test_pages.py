"""Test the app's pages in Streamlit's own test runner, without a browser."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from app_project import PHOTOS, git, write_photos, write_project, write_split
from conftest import change, photo, printed, refused
from streamlit.testing.v1 import AppTest

from pawprint import paths
from pawprint.app import (
    HERE,
    groups,
    page_label,
    page_of_photos,
    page_run,
    photo_sources,
    photos,
    undo_log,
)
from pawprint.classes import NEITHER
from pawprint.columns import IMAGES, LABELS_TO_REVIEW, REJECTED, SPLIT
from pawprint.errors import InputError
from pawprint.files import pack, write_text
from pawprint.params.model import Model
from pawprint.pipeline import runs
from pawprint.projects import labelling
from pawprint.projects.comparison import find_runs
from pawprint.scores.intervals import CONFIDENCE, fraction_interval
from pawprint.tables import read_table, write_table

ACCURACY_LOW, ACCURACY_HIGH = fraction_interval(2, 4)  # for v2


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return a project that is the current directory."""
    project = write_project(tmp_path / "project")
    monkeypatch.chdir(project)
    return project


def opened(page: str, show: str):
    """Run the function of a page inside the frame of pawprint/app/main.py and return the page."""

    def script(page, show):
        import importlib

        from pawprint.app.photos import explain_errors

        with explain_errors():
            getattr(importlib.import_module(f"pawprint.app.{page}"), show)()

    shown = AppTest.from_function(script, args=(page, show), default_timeout=60).run()
    assert not shown.exception
    return shown


def test_message_has_its_commands_as_code_and_other_text_unchanged():
    assert photos.message("*a*: run `dvc *`, not `b") == r"\*a\*\: run `dvc *`\, not \`b"


def test_two_runs_are_compared_as_compare_does_with_their_photos(project):
    write_photos(project)
    early = git("rev-parse", "--short", "v2~", cwd=project)
    page = opened("page_compare", "show_comparison")
    page.selectbox[0].set_value("v2")
    page.selectbox[1].set_value(early).run()
    assert not page.exception
    compared = printed(project, "compare", "v2", early)
    assert compared.splitlines()[0] in page.markdown[1].value.replace("\\", "")
    assert page.dataframe[0].value["accuracy"].tolist() == ["50.00% → 100.00%"] * 2
    assert [*find_runs(Path())][:3] == [
        "workspace",
        git("rev-parse", "--short", "v2", cwd=project),
        early,
    ]
    assert [button.label for button in page.button] == [
        "dog → cat, labelled cat",
        "cat → dog, labelled dog",
    ]


def test_test_images_have_their_interval_and_another_threshold_changes_their_order(project):
    write_photos(project)
    page = opened("page_predictions", "show_predictions")
    assert page.metric[0].value == "50.00%"
    interval = f"{CONFIDENCE:.0%} interval (Wilson) {ACCURACY_LOW:.1%} to {ACCURACY_HIGH:.1%}"
    assert page.caption[0].value == f"2 of 4 correct; {interval}"
    split = read_table(project / paths.SPLIT_CSV, SPLIT)
    write_table(project / paths.SPLIT_CSV, split.assign(group="a series"), SPLIT)
    of_series = opened("page_predictions", "show_predictions").caption[0].value
    assert of_series.startswith("2 of 4 correct; ") and interval not in of_series
    right = ["dog 70.0%", "cat 90.0%"]
    wrong = [":red[✗ dog → cat 80.0%]", ":red[✗ cat → dog 60.0%]"]
    assert [button.label for button in page.button] == wrong + right
    assert list(page.dataframe[0].value["recall"]) == ["50.0%", "50.0%", ""]
    page.select_slider[0].set_value(0.65).run()
    assert page.caption[0].value.startswith("3 of 4 correct")
    assert [button.label for button in page.button] == [wrong[0], "cat 40.0%", *right]


def write_unlabelled(project: Path) -> None:
    """Write three photos without a label; the first one has been labelled in the meantime."""
    write_photos(project)
    rows = [(f"{n}.jpg", "unlabelled", "in no folder") for n in range(3)]
    write_table(project / paths.REJECTED_CSV, pd.DataFrame(rows, columns=list(REJECTED)), REJECTED)
    aside = pd.DataFrame(columns=list(IMAGES))
    write_table(project / paths.UNLABELLED_CSV, aside, IMAGES)
    write_text(project / paths.LABELS_CSV, "path,label\n1.jpg,cat\n")


def test_unlabelled_images_of_the_project_are_counted_with_those_that_have_got_a_label(project):
    write_unlabelled(project)
    write_text(project / paths.UNDECIDED_CSV, "path,label\n2.jpg,\n")
    pool = groups.read_pool()
    given = photo_sources.ProjectPhotos(pool).given()
    counts = page_of_photos.count_photos(pool, (), given, labelling.undecided(HERE))
    assert (
        page_of_photos.describe_progress(*counts)
        == "2 photos left (marked as not known: 1); 1 got a label."
    )


def test_what_was_labelled_is_listed_and_corrected(project):
    write_photos(project)
    name, *_ = PHOTOS[0]
    rows = f"path,label\n{name},dog\n{PHOTOS[1][0]},none\ngone.jpg,cat\n"
    write_text(project / paths.LABELS_CSV, rows)
    write_text(project / paths.UNDECIDED_CSV, f"path,label\n{PHOTOS[2][0]},\n")
    page = opened("page_label", "show_labelled")
    assert [button.label for button in page.button] == ["None of them", "dog", "I do not know"]
    assert "gone" in page.caption[-1].value
    page.selectbox[0].set_value("dog").run()
    assert [button.label for button in page.button] == ["dog"]

    def script(name):
        import pandas as pd

        from pawprint.app.page_label import show_correction

        row = {"path": name, "listed": name, "label": "dog", "pixels_sha256": ""}
        show_correction(pd.Series(row))

    for pressed, label in (("Save", "cat"), ("Remove", None)):
        page = AppTest.from_function(script, args=(name,), default_timeout=60).run()
        page.selectbox[0].set_value("cat").run()
        press(page, pressed)
        assert labelling.labels_given(HERE).get(name) == label


class Review:
    """The labels to review, as a browser shows them."""

    def __init__(self) -> None:
        shown: list[photo_sources.SuspectPhotos] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page_label, "show_pages", shown.append)
            page_label.show_review()
        (self.source,) = shown
        self.pages = groups.Pages(size=1)

    def path(self) -> str:
        """Return the path of the image that is shown."""
        unknown = labelling.undecided(HERE)
        page_of_photos.cells_of(self.source, self.pages, self.source.given(), unknown)
        ((path, _),) = self.pages.images
        return path

    def answer(self, label: str) -> str:
        """Label the image that is shown and return its path."""
        path = self.path()
        asked = {"marked": [0] if label else [], "label": label}
        page_of_photos.give_labels(self.source, self.pages, asked)
        return path

    def undo(self) -> str:
        """Undo the last answer and return the path of its image."""
        page_of_photos.undo(self.source, self.pages, {})
        return self.path()


def to_review(
    project: Path, rows: list[tuple], labels: tuple[str, ...] = (), renamed=None
) -> Review:
    """Return the labels to review in a data set with more labels."""
    write_split(project, labels, renamed)
    table = pd.DataFrame(rows, columns=list(LABELS_TO_REVIEW))
    write_table(project / paths.LABELS_TO_REVIEW_CSV, table, LABELS_TO_REVIEW)
    return Review()


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label.startswith(label)).click().run()
    assert not page.exception


OTHER = {"cat": "dog", "dog": "cat"}
SUSPECTS = [
    (path, label, OTHER[label], "test", 0.1, "", pixels) for path, label, _, pixels, *_ in PHOTOS
]
FIRST, PIXELS = PHOTOS[0][0], PHOTOS[0][3]
HEADER = "path,label,pixels_sha256\n"


def test_class_has_the_same_digit_in_all_tabs_when_labels_come_from_labels_csv(project):
    write_photos(project)
    change(project, "clean: {labels: auto}")
    flat = {path: path.replace("/", " ") for path, *_ in PHOTOS}  # no folder is a class
    pack(project / paths.RAW_IMAGES, ((flat[row[0]], photo(0)) for row in PHOTOS))
    (project / paths.LABELS_CSV).write_text("path,label\nx.jpg,dog\ny.jpg,cat\n", encoding="utf-8")
    labels = to_review(project, SUSPECTS, renamed=flat).source.classes()
    assert labels == ["dog", "cat"]
    assert photo_sources.classes_here() == labels
    assert photo_sources.in_order(["cat", "dog", "ant"]) == [*labels, "ant"]
    pack(project / paths.RAW_IMAGES, ((row[0], photo(0)) for row in PHOTOS))
    rows = "path,label\nx.jpg,dogs\ny.jpg,cats\n"
    (project / paths.LABELS_CSV).write_text(rows, encoding="utf-8")
    assert photo_sources.in_order(["dogs", "cats"]) == ["cats", "dogs"]  # the folders


def test_answer_that_cannot_be_saved_is_explained_and_asked_for_again(project):
    write_photos(project)
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
    write_photos(project)
    (project / paths.LABELS_CSV).write_text(f"{HEADER}{row}\n", encoding="utf-8")
    source = to_review(project, SUSPECTS).source
    counts = page_of_photos.count_photos(source.pool, (), source.given(), ())
    assert counts == (4 - number, number, 0)


def test_candidates_that_try_has_printed_have_buttons_until_the_params_change(project):
    def script():
        from pawprint.app import page_run

        page_run.show_candidates()

    write_split(project)
    images = pd.DataFrame(columns=list(IMAGES))
    write_table(paths.IMAGES_CSV, images, IMAGES)
    page = AppTest.from_function(script, default_timeout=60).run()
    assert [button.label for button in page.button] == ["Try"]
    runs.LOG.parent.mkdir(parents=True, exist_ok=True)
    rows = ("try: 2 of 2: larger", "larger  97.5%", "`pawprint try --use larger` sets it")
    runs.LOG.write_text("".join(f"1.0\t{row}\n" for row in rows), encoding="utf-8")
    page.run()
    assert page.code[0].value == "larger  97.5%"
    assert [button.label for button in page.button] == ["Try", "Use larger"]
    size = Model.load().image_size
    page.button[1].click().run()
    assert not page.exception
    assert Model.load().image_size > size
    assert [button.label for button in page.button] == ["Try"]


def test_label_to_review_that_is_not_known_is_listed_comes_last_and_can_be_undone(project):
    write_photos(project)
    review = to_review(project, SUSPECTS)
    assert review.source.pool.about[FIRST].startswith("Labelled cat (test), with probability 10.0%")
    assert review.answer("?") == FIRST
    assert [*labelling.undecided(HERE)] == [PIXELS]
    assert review.undo() == FIRST
    assert not labelling.undecided(HERE)
    review.answer("?")
    skipped = review.answer("")
    for _ in range(2):
        assert review.answer("dog") not in (FIRST, skipped)
    assert review.path() == skipped
    review = Review()  # in a new session
    assert review.answer("dog") == skipped
    assert review.path() == FIRST
    assert review.pages.are_last
    assert review.answer("cat") == FIRST
    assert not labelling.undecided(HERE)
    assert labelling.labels_given(HERE)[PIXELS] == "cat"
    assert review.undo() == FIRST
    assert [*labelling.undecided(HERE)] == [PIXELS]
    review.answer("cat")
    counts = page_of_photos.count_photos(review.source.pool, (), review.source.given(), ())
    assert counts == (4, 0, 0)


def test_photos_of_a_folder_that_show_no_class_are_remembered_unless_undone(project):
    images = [("/elsewhere/1.jpg", ""), ("/elsewhere/2.jpg", "")]
    for marked in ({0}, {1}):
        pages = groups.Pages()
        pages.images = images
        undo_log.record(pages, ("browser", "elsewhere"), marked, NEITHER, [])
    assert undo_log.refused() == [path for path, _ in images]
    pages.take_back()
    paths_of = [path for path, _ in images]
    head = pd.DataFrame(index=range(2))
    pool = groups.Pool(images, [], np.zeros((2, 1)), head=head)
    model = SimpleNamespace(labels=[], bits=None)
    source = photo_sources.FolderPhotos(
        Path("elsewhere"), Path("target"), pool, model
    )  # as after a restart
    assert source.given() == {paths_of[0]: NEITHER}


def test_experiment_is_compared_again_once_its_name_belongs_to_another_commit(project):
    experiment = "refs/exps/ab/cdef/tall-pine"
    sentences = []
    for commit in ("HEAD~1", "HEAD"):
        git("update-ref", experiment, commit, cwd=project)
        sentences.append(page_run.compare("tall-pine", "v2", {}).sentences)
    assert sentences[0] != sentences[1]


def test_photos_without_a_label_that_came_before_or_since_a_run_can_be_prepared(project):
    """Such projects are not a dead end: a button computes what their pages need."""
    change(project, "fetch: {source: photos}")
    for name in ("cat/1.jpg", "dog/1.jpg", "unlabelled/1.jpg", "unlabelled/2.jpg"):
        (project / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "photos" / name).write_bytes(photo(len(name)))
    page = opened("page_label", "show")
    assert [button.label for button in page.button] == ["Prepare the photos"]
    (project / "photos" / "unlabelled" / "1.jpg").unlink()
    write_unlabelled(project)
    page = opened("page_label", "show_unlabelled")
    assert [button.label for button in page.button] == ["Prepare the photos"]


def test_class_without_a_key_is_typed_and_must_be_one_of_the_classes(project):
    write_photos(project)
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
    write_photos(project)
    review = to_review(project, SUSPECTS[:1], renamed={FIRST: "cats/2.jpg", "cats/2.jpg": FIRST})
    review.answer("none")
    expected = f"{HEADER}cats/2.jpg,none,{PIXELS}\n"
    assert (project / paths.LABELS_CSV).read_text(encoding="utf-8") == expected


def test_folder_for_labelled_images_is_that_of_the_sources_training_split(project):
    change(project, "fetch: {source: photos}")
    (project / "photos" / "train" / "cat").mkdir(parents=True)
    assert opened("page_label", "show_new").text_input[1].value == str(Path("photos", "train"))


def test_photos_that_are_gone_are_neither_shown_nor_marked(project, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    images = [(f"{number}.jpg", f"{number:064}") for number in range(len(rows))]
    pool = groups.Pool(images, [], rows, [], *groups.find_clusters(rows))
    source = photo_sources.ProjectPhotos(pool)
    pages = groups.Pages()
    pages.turn(pool, {})
    gone = {path for path, _ in pages.images[: pages.sure]}
    assert len(gone) < len(pages.images)

    def read(source, path, is_large):
        if path in gone:
            raise InputError(f"{path}: not found")
        return ""

    monkeypatch.setattr(photo_sources.ProjectPhotos, "picture", read)
    cells = page_of_photos.cells_of(source, pages, {}, ())
    assert pages.sure == 0
    assert len(cells) == len(pages.images) > 0
    assert not gone & {cell["alt"] for cell in cells}
