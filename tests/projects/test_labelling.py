"""Test the labels that are written for a project, and the images that are copied."""

import errno
import itertools
import multiprocessing
import os
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import CATS_AND_DOGS, clean_archive, photo, refused, write_files

from pawprint import paths
from pawprint.columns import IMAGES, REJECTED
from pawprint.dataset.sources import fetch
from pawprint.dataset.user_tables import reviewed_images
from pawprint.files import write_text
from pawprint.projects import class_folders, labelling
from pawprint.projects.label_rows import (
    LABELS_LOCK,
    Changes,
    image_of,
    lock_of,
    read_rows,
    write_rows,
)
from pawprint.tables import write_table

NAMES = {"cat": ["cat"], "dog": ["dog"]}
PARAMS = "fetch: {source: photos}\nclean: {labels: auto, rule: decodes, bits: null}\n"
numbers = itertools.count()


@pytest.fixture(autouse=True)
def plain_main(monkeypatch) -> None:
    """Restore `__main__`, which page tests replace and which new processes would run again."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "labelled"


@pytest.fixture
def places(target) -> class_folders.Places:
    return class_folders.places_in(target, NAMES, Path("images.yaml"))


def new(path: Path) -> Path:
    """Write a photo that is unlike any other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo(next(numbers)))
    return path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(target: Path) -> dict[str, str]:
    return {
        row["file_name"]: row["label"] for row in read_rows(target / "metadata.csv", "file_name")
    }


def correction(path: str, label: str) -> Changes:
    """Return a correction without `pixels_sha256`."""
    return {path: {"path": path, "label": label}}


def after_clean(source: Path, raw: Path, column: str) -> dict[str, str]:
    """Run `fetch` and `clean` on a source and return a column of the result keyed by path."""
    fetch(source, raw)
    kept, *_ = clean_archive(raw)
    return dict(zip(kept["path"], kept[column]))


def test_target_is_a_source_with_the_labels_given_whatever_the_names_of_the_files(
    target, places, tmp_path
):
    names = ["1.jpg", "a/1.jpg", "kätzchen, süß.JPG", f"{'ü' * 125}.jpg"]
    if os.name == "posix":  # Windows does not allow such names
        names += ['"odd"\\\n<!.jpg', " .jpg"]
    for name, label in zip(names, itertools.cycle(NAMES)):
        class_folders.add(tmp_path, places, new(tmp_path / "new" / name), label)
    labels = after_clean(target, tmp_path / "raw", "label")
    assert labels == rows_of(target)
    assert Counter(labels.values()) == dict.fromkeys(NAMES, len(names) // 2)


def test_no_file_is_overwritten_and_taking_back_leaves_those_that_were_there(
    target, places, tmp_path
):
    for name in ("1.jpg", "1-2.jpg", "metadata.csv.txt"):
        new(target / name)
    before = contents(target)
    image = new(tmp_path / "new" / "1.jpg")
    take_back = class_folders.add(tmp_path, places, image, "cat")
    assert rows_of(target) == {"1-3.jpg": "cat"}
    assert (target / "1-3.jpg").read_bytes() == image.read_bytes()
    take_back()
    assert rows_of(target) == {}
    assert {path: data for path, data in contents(target).items() if path in before} == before
    assert not (target / "1-3.jpg").exists()


def label_all(barrier, photos: Path, target: Path) -> None:
    """Copy photos to a folder that other processes also use, and undo every other copy."""
    places = class_folders.places_in(target, NAMES, Path("images.yaml"))
    barrier.wait()
    for number, image in enumerate(sorted(photos.iterdir())):
        take_back = class_folders.add(target.parent, places, image, "cat")
        path = f"{photos.name}/{number}.jpg"
        write_rows(target.parent, target.parent / "labels.csv", "path", correction(path, "cat"))
        if number % 2:
            take_back()


def label_at_once(label: Callable, *arguments: tuple) -> None:
    """Call a function in several processes at once. Its first argument is a barrier."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(len(arguments), timeout=300)
    writers = [spawn.Process(target=label, args=(barrier, *each)) for each in arguments]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * len(arguments)


def test_two_processes_at_once_lose_no_answer(target, tmp_path):
    """Two cameras may use the same file names for different photos."""
    data = {new(tmp_path / writer / f"{i}.jpg").read_bytes() for writer in "ab" for i in range(20)}
    label_at_once(label_all, *((tmp_path / writer, target) for writer in "ab"))
    assert len(read_rows(tmp_path / "labels.csv", "path")) == len(data)
    assert set(rows_of(target)) == {path.name for path in target.glob("*.jpg")}
    assert len(rows_of(target)) == len(data) / 2
    assert len({path.read_bytes() for path in target.glob("*.jpg")}) == len(data) / 2
    assert {path.name for path in target.iterdir()} == {"metadata.csv", *rows_of(target)}


def test_image_that_has_a_label_is_known_and_refused(places, tmp_path):
    """For example, a second tab asks for the same image."""
    first, other = new(tmp_path / "new" / "1.jpg"), new(tmp_path / "new" / "a" / "1.jpg")
    take_back = class_folders.add(tmp_path, places, other, "cat")
    assert class_folders.find_copies([first, other], places) == {other}
    class_folders.add(tmp_path, places, first, "cat")
    take_back()
    assert class_folders.find_copies([first, other], places) == {first}
    with refused("1.jpg: "):
        class_folders.add(tmp_path, places, first, "dog")


def images(*names: str) -> list[tuple[str, str]]:
    """Return the path and pixels_sha256 of images."""
    return [(f"{name}.jpg", 64 * name) for name in names]


def test_page_of_images_gets_a_label_in_one_write_and_others_keep_theirs(tmp_path):
    """Two browsers may show the same photos."""
    write_text(tmp_path / paths.LABELS_CSV, "path,label\nmine.jpg,owl\n")
    (take_back,), had_one = labelling.label_images(
        tmp_path, [*images("a", "b"), ("mine.jpg", "")], "cat"
    )
    assert had_one == 1
    _, had_one = labelling.label_images(tmp_path, images("b", "c"), "dog")
    assert had_one == 1
    expected = {64 * "a": "cat", 64 * "b": "cat", 64 * "c": "dog"}
    assert labelling.labels_given(tmp_path) == {"mine.jpg": "owl"} | expected
    take_back()
    assert labelling.labels_given(tmp_path) == {"mine.jpg": "owl", 64 * "c": "dog"}
    with refused("labels.csv"):
        take_back()


def test_photo_whose_class_a_person_does_not_know_is_kept_apart_until_it_has_one(tmp_path):
    (take_back,), _ = labelling.label_images(tmp_path, images("a", "b"), labelling.UNDECIDED)
    assert labelling.labels_given(tmp_path) == {}
    assert labelling.undecided(tmp_path) == {64 * "a": "a.jpg", 64 * "b": "b.jpg"}
    assert labelling.label_images(tmp_path, images("a"), labelling.UNDECIDED) == ([], 0)
    changes, _ = labelling.label_images(tmp_path, images("a"), "cat")
    assert (labelling.labels_given(tmp_path), [*labelling.undecided(tmp_path)]) == (
        {64 * "a": "cat"},
        [64 * "b"],
    )
    for change in changes:
        change()
    take_back()
    assert (labelling.labels_given(tmp_path), labelling.undecided(tmp_path)) == ({}, {})


def test_label_is_corrected_removed_and_doubted(tmp_path):
    labelling.label_images(tmp_path, images("a", "b"), "cat")
    labelling.correct(tmp_path, {("a.jpg", 64 * "a"): "dog"})
    assert labelling.labels_given(tmp_path) == {64 * "a": "dog", 64 * "b": "cat"}
    labelling.correct(tmp_path, {("a.jpg", 64 * "a"): labelling.UNDECIDED})
    assert 64 * "a" in (tmp_path / paths.UNDECIDED_CSV).read_text(encoding="utf-8")
    assert (labelling.labels_given(tmp_path), [*labelling.undecided(tmp_path)]) == (
        {64 * "b": "cat"},
        [64 * "a"],
    )
    labelling.correct(tmp_path, {("a.jpg", 64 * "a"): "dog"})
    assert (labelling.labels_given(tmp_path), labelling.undecided(tmp_path)) == (
        {64 * "b": "cat", 64 * "a": "dog"},
        {},
    )
    labelling.correct(tmp_path, {("b.jpg", 64 * "b"): None})
    assert labelling.labels_given(tmp_path) == {64 * "a": "dog"}


def give_as_a_page(project: Path) -> None:
    labelling.label_images(project, images("a"), "dog")


def give_as_a_correction(project: Path) -> None:
    labelling.correct(project, {("a.jpg", 64 * "a"): "dog", ("mine.jpg", ""): None})


@pytest.mark.parametrize("give", [give_as_a_page, give_as_a_correction])
@pytest.mark.parametrize("text", ["path,label\r\nmine.jpg,owl\r\nb.jpg,cat\r\n", None])
def test_labels_stay_as_they_are_if_the_undecided_images_cannot_be_written(tmp_path, give, text):
    """The undecided images are on another drive, where the name leaves no room for a new file's."""
    table = tmp_path / "drive" / f"{'u' * 251}.csv"
    write_files(table.parent, {table.name: f"path,label,pixels_sha256\na.jpg,,{64 * 'a'}\n"})
    (tmp_path / paths.UNDECIDED_CSV).symlink_to(table)
    labels = tmp_path / paths.LABELS_CSV
    if text:
        labels.write_bytes(text.encode())
    with refused("name too long"):
        give(tmp_path)
    assert (labels.read_bytes().decode() if labels.exists() else None) == text


def test_all_images_of_a_page_are_copied_or_none(target, places, tmp_path):
    """For example, another program has moved one."""
    first, gone = new(tmp_path / "new" / "1.jpg"), tmp_path / "new" / "2.jpg"
    with refused(f"cannot read {gone}: No such file"):
        class_folders.add_all(tmp_path, places, [first, gone], "cat")
    assert rows_of(target) == {}
    assert [path.name for path in target.iterdir()] == ["metadata.csv"]


def test_drive_without_locks_is_an_error_that_names_the_lock(tmp_path, monkeypatch):
    """As on NFS without a lock manager, where `flock` fails with errno 37."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(OSError, match=r"No locks available: .*labels\.lock"),
        lock_of(tmp_path),
    ):
        pass


def label_pages(barrier, folder: Path, label: str) -> None:
    """Label pages of photos, while another process labels the same photos."""
    barrier.wait()
    for start in range(0, 200, 20):
        pixels = [f"{number:064}" for number in range(start, start + 30)]
        labelling.label_images(folder, [(f"{number}.jpg", number) for number in pixels], label)


def test_two_processes_that_label_pages_lose_no_image_and_give_none_two_labels(tmp_path):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    write_text(tmp_path / paths.LABELS_CSV, "path,label,pixels_sha256\n")
    label_at_once(label_pages, (tmp_path, "cat"), (tmp_path, "dog"))
    rows = read_rows(tmp_path / paths.LABELS_CSV, "path")
    assert sorted(row["pixels_sha256"] for row in rows) == [f"{n:064}" for n in range(210)]


def test_label_of_a_page_is_told_from_one_that_a_person_confirmed(tmp_path):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    images = [(f"{number}.jpg", f"{number:064}") for number in range(3)]
    write_text(tmp_path / paths.LABELS_CSV, "path,label\n")
    labelling.label_images(tmp_path, images[:1], "cat")
    (take_back,), _ = labelling.label_images(tmp_path, images[1:], "cat")
    assert reviewed_images(tmp_path / paths.LABELS_CSV) == {images[0][1]}
    take_back()()  # undo and redo
    labelling.correct(tmp_path, {images[1]: "cat"})
    assert reviewed_images(tmp_path / paths.LABELS_CSV) == {images[0][1], images[1][1]}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1.jpg", "2.jpg"], True),
        (["unlabelled/1.jpg"], True),
        (["cat/1.jpg", "dog/2.jpg", "unlabelled/3.jpg"], True),
        (["cat/1.jpg", "dog/2.jpg"], False),
        ([], False),
    ],
)
def test_photos_without_classes_are_known_before_a_run(tmp_path, names, expected):
    write_text(tmp_path / "params.yaml", PARAMS)
    (tmp_path / "photos").mkdir()
    for name in names:
        new(tmp_path / "photos" / name)
    assert labelling.has_unlabelled(tmp_path) == expected


def test_photos_that_came_since_the_last_run_are_told_from_those_that_it_knows(tmp_path):
    write_text(tmp_path / "params.yaml", PARAMS)
    for name in ("cat/1.jpg", "dog/2.jpg", "unlabelled/3.jpg", "unlabelled/4.jpg"):
        new(tmp_path / "photos" / name)
    assert sorted(labelling.find_waiting(tmp_path)) == ["unlabelled/3.jpg", "unlabelled/4.jpg"]
    write_table(tmp_path / paths.UNLABELLED_CSV, pd.DataFrame(columns=list(IMAGES)), IMAGES)
    rows = [("unlabelled/3.jpg", "not_an_image", "text")]
    write_table(tmp_path / paths.REJECTED_CSV, pd.DataFrame(rows, columns=list(REJECTED)), REJECTED)
    assert labelling.find_waiting(tmp_path) == ["unlabelled/4.jpg"]
    assert labelling.has_unlabelled(tmp_path)


def test_photo_whose_label_was_removed_since_the_last_run_waits_for_the_next(tmp_path):
    write_text(tmp_path / "params.yaml", PARAMS)
    names = ("1.jpg", "2.jpg")
    for name in names:
        new(tmp_path / "photos" / name)
    fetch(tmp_path / "photos", tmp_path / paths.RAW_ARCHIVES)
    kept, *_ = clean_archive(tmp_path / paths.RAW_ARCHIVES, labels="auto")
    write_table(tmp_path / paths.IMAGES_CSV, kept.assign(pixels_sha256=["a1", "b2"]), IMAGES)
    write_text(tmp_path / "labels.csv", "path,label,pixels_sha256\nold.jpg,cat,a1\n2.jpg,dog,\n")
    assert labelling.find_waiting(tmp_path) == []
    labelling.correct(tmp_path, {("old.jpg", "a1"): None})
    assert labelling.find_waiting(tmp_path) == ["1.jpg"]
    write_text(tmp_path / "photos/metadata.csv", "file_name,label\n1.jpg,cat\n2.jpg,dog\n")
    fetch(tmp_path / "photos", tmp_path / paths.RAW_ARCHIVES)
    assert labelling.find_waiting(tmp_path) == []


def test_columns_of_the_users_own_stay_and_splits_are_those_of_all_images_or_of_none(
    target, tmp_path
):
    new(target / "0.jpg")
    table = target / "metadata.csv"
    text = "file_name,label,split,Group,camera\n0.jpg,cat,{},g1,x\n"
    for split, added in (("test", "train"), ("", "")):
        table.write_text(text.format(split), encoding="utf-8")
        places = class_folders.places_in(target, {"cat": ["cats"], "dog": ["dogs"]}, target)
        take_back = class_folders.add(tmp_path, places, new(tmp_path / "new" / "1.jpg"), "cat")
        assert table.read_text(encoding="utf-8") == text.format(split) + f"1.jpg,cats,{added},,\n"
        take_back()
        assert table.read_text(encoding="utf-8") == text.format(split)


def test_rows_of_a_path_are_told_apart_by_their_pixels(tmp_path):
    """One photo was renamed, and another one has its old name."""
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n1.jpg,cat\n", encoding="utf-8")
    rows = {key: {"path": "1.jpg", "label": "dog", "pixels_sha256": key} for key in ("a1", "b2")}
    write_rows(tmp_path, table, "path", {"a1": rows["a1"]})
    take_back = write_rows(
        tmp_path, table, "path", {"b2": rows["b2"], "a1": rows["a1"] | {"path": "2.jpg"}}
    )
    text = "path,label,pixels_sha256\n1.jpg,cat,\n"
    assert table.read_text(encoding="utf-8") == f"{text}2.jpg,dog,a1\n1.jpg,dog,b2\n"
    take_back()
    assert table.read_text(encoding="utf-8") == f"{text}1.jpg,dog,a1\n"
    assert [image_of(row, "path") for row in read_rows(table, "path")] == ["1.jpg", "a1"]


def test_taking_back_leaves_other_cells_that_the_user_wrote_since(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,label,by\n1.jpg,cat,\n", encoding="utf-8")
    take_back = write_rows(tmp_path, table, "path", correction("1.jpg", "dog"))
    table.write_text("path,label,by\n1.jpg,dog,me\n", encoding="utf-8")
    take_back()
    assert table.read_text(encoding="utf-8") == "path,label,by\n1.jpg,cat,me\n"


def test_undo_of_one_session_leaves_what_another_wrote_since(target, places, tmp_path):
    """The first tab labels, the second tab labels again, and then the first tab undoes."""
    take_back = class_folders.add(tmp_path, places, new(tmp_path / "new" / "1.jpg"), "cat")
    write_rows(tmp_path, target / "metadata.csv", "file_name", {"1.jpg": {"label": "dog"}})
    with refused("metadata.csv: 1.jpg", "cannot undo the label"):
        take_back()
    assert rows_of(target) == {"1.jpg": "dog"}
    assert (target / "1.jpg").exists()


def test_other_rows_of_a_spreadsheet_stay_as_they_are(tmp_path):
    """The byte order mark, line endings, and line breaks in cells are kept."""
    table = tmp_path / "labels.csv"
    lines = ["\ufeffPath,label,by", '1.jpg,cat,"a\r\nb"', "2.jpg,cat,c", "3.jpg,dog,"]
    text = "\r\n".join(lines)
    table.write_bytes(text.encode())
    changes = correction("2.jpg", "dog") | correction("4.jpg", "cat")
    take_back = write_rows(tmp_path, table, "path", changes)
    changed = text.replace("2.jpg,cat", "2.jpg,dog") + "\r\n4.jpg,cat,\r\n"
    assert table.read_bytes() == changed.encode()
    take_back()
    assert table.read_bytes() == f"{text}\r\n".encode()
    cells = {"path": "5.jpg", "label": "cat", "pixels_sha256": "a1"}
    write_rows(tmp_path, table, "path", {"a1": cells})
    longer = [f"{line}," for line in lines]
    longer[0] += "pixels_sha256"
    assert table.read_bytes() == "\r\n".join([*longer, "5.jpg,cat,,a1", ""]).encode()


def test_images_go_to_the_folders_of_their_classes(target, tmp_path):
    for name in ("Cats/0.jpg", "dog/0.jpg", "birds/0.jpg"):
        new(target / name)
    places = class_folders.places_in(target, CATS_AND_DOGS, target)
    take_back = class_folders.add(tmp_path, places, new(tmp_path / "new" / "0.jpg"), "cat")
    class_folders.add(tmp_path, places, new(tmp_path / "new" / "1.jpg"), "dog")
    labels = after_clean(target, tmp_path / "raw", "label")
    cats = dict.fromkeys(("Cats/0.jpg", "Cats/0-2.jpg"), "cat")
    assert labels == cats | {"dog/0.jpg": "dog", "dog/1.jpg": "dog"}
    take_back()
    assert not (target / "Cats" / "0-2.jpg").exists()
    assert (tmp_path / "new" / "0.jpg").exists()


@pytest.mark.parametrize("name", ["cat/0.jpg", "new/0.jpg"])
def test_folder_whose_images_would_lose_their_labels_is_no_target(target, name):
    """In a source with metadata.csv, folders do not determine labels."""
    new(target / name)
    chosen = target / "new labels" if name.startswith("new") else target
    with refused(str(chosen), "metadata.csv", "cat, dog"):
        class_folders.places_in(chosen, NAMES, target)


IN_TRAIN = ("train/cat", "train/dog", "Val/cat", "Val/dog")
INSIDE = ("cat/train", "cat/val", "dog/train", "dog/val")


@pytest.mark.parametrize(("names", "place"), [(IN_TRAIN, "train/cat"), (INSIDE, "cat/train")])
def test_images_go_to_the_training_split(target, tmp_path, names, place):
    for name in names:
        new(target / name / "0.jpg")
    if names is IN_TRAIN:
        with refused(f"{target}: expected", f"{target / 'train'}"):
            class_folders.places_in(target, NAMES, target)
    places = class_folders.places_in(
        class_folders.folder_for_training(target) or target, NAMES, target
    )
    class_folders.add(tmp_path, places, new(tmp_path / "new" / "0.jpg"), "cat")
    assert after_clean(target, tmp_path / "raw", "archive_split")[f"{place}/0-2.jpg"] == "train"


@pytest.mark.skipif(os.name != "posix", reason="links need a right of their own")
def test_table_behind_a_link_is_written_where_it_lies(tmp_path):
    (tmp_path / "shared").mkdir()
    table, link = tmp_path / "shared" / "labels.csv", tmp_path / "labels.csv"
    link.symlink_to(table)
    with pytest.raises(FileNotFoundError):
        write_rows(tmp_path, link, "path", correction("1.jpg", "cat"))
    table.write_text("path,label\n", encoding="utf-8")
    write_rows(tmp_path, link, "path", correction("1.jpg", "cat"))
    assert link.is_symlink()
    assert table.read_text(encoding="utf-8") == "path,label\n1.jpg,cat\n"


def test_copy_whose_image_is_gone_since_stays(target, places, tmp_path):
    image = new(tmp_path / "new" / "1.jpg")
    take_back = class_folders.add(tmp_path, places, image, "cat")
    image.unlink()
    with refused("1.jpg"):
        take_back()
    assert rows_of(target) == {"1.jpg": "cat"}
    assert (target / "1.jpg").exists()


def test_lock_is_of_the_project_however_its_folder_is_written(tmp_path, monkeypatch):
    """The app runs in the project's folder, and a notebook anywhere."""
    monkeypatch.chdir(tmp_path)
    one, other = tmp_path / "one", tmp_path / "other"
    assert lock_of(Path("one")) is lock_of(one) is not lock_of(other)
    with lock_of(Path("one")):
        assert (one / LABELS_LOCK).exists() and not (other / LABELS_LOCK).exists()
        for folder in (one, other):  # neither waits for the lock
            labelling.correct(folder, {("1.jpg", ""): "cat"})
            assert labelling.labels_given(folder) == {"1.jpg": "cat"}


def test_row_that_was_taken_back_can_be_written_again_unless_another_wrote_one_since(tmp_path):
    table = tmp_path / "labels.csv"
    write_again = write_rows(tmp_path, table, "path", correction("1.jpg", "cat"))()
    take_back = write_again()
    assert table.read_text(encoding="utf-8") == "path,label\n1.jpg,cat\n"
    write_again = take_back()
    write_rows(tmp_path, table, "path", correction("1.jpg", "dog"))
    with refused(f"{table}: 1.jpg", "cannot undo the label"):
        write_again()
    assert table.read_text(encoding="utf-8") == "path,label\n1.jpg,dog\n"


def test_row_whose_image_is_missing_stays_as_it_is(target, tmp_path):
    """The user may add the image later."""
    target.mkdir()
    (target / "metadata.csv").write_text("file_name,label\n./1.JPG,dog\n", encoding="utf-8")
    class_folders.add(
        tmp_path,
        class_folders.places_in(target, NAMES, Path("images.yaml")),
        new(tmp_path / "new" / "1.jpg"),
        "cat",
    )
    assert rows_of(target) == {"./1.JPG": "dog", "1-2.jpg": "cat"}
