"""Test the labels that are written to a project's labels.csv."""

import multiprocessing
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import refused

from pawprint.app import labelling
from pawprint.app.labelling import Changes, image_of, read_rows, write_rows
from pawprint.base import paths
from pawprint.base.files import write_text
from pawprint.given.user_tables import reviewed_images


@pytest.fixture(autouse=True)
def plain_main(monkeypatch) -> None:
    """Restore `__main__`, which page tests replace and which new processes would run again."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


def correction(path: str, label: str) -> Changes:
    """Return a correction without `pixels_sha256`."""
    return {path: {"path": path, "label": label}}


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


def images(*names: str) -> list[tuple[str, str]]:
    """Return the path and pixels_sha256 of images."""
    return [(f"{name}.jpg", 64 * name) for name in names]


def test_page_of_images_gets_a_label_in_one_write_and_others_keep_theirs(tmp_path):
    """Two tabs may show the same photos."""
    write_text(tmp_path / paths.LABELS_CSV, "path,label\nmine.jpg,owl\n")
    take_back, had_one = labelling.label_images(
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


def test_label_is_corrected_and_given_back(tmp_path):
    labelling.label_images(tmp_path, images("a", "b"), "cat")
    labelling.correct(tmp_path, {("a.jpg", 64 * "a"): "dog"})
    assert labelling.labels_given(tmp_path) == {64 * "a": "dog", 64 * "b": "cat"}
    take_back = labelling.correct(tmp_path, {("b.jpg", 64 * "b"): "owl"})
    assert labelling.labels_given(tmp_path) == {64 * "a": "dog", 64 * "b": "owl"}
    take_back()
    assert labelling.labels_given(tmp_path) == {64 * "a": "dog", 64 * "b": "cat"}


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
    rows = read_rows(tmp_path / paths.LABELS_CSV)
    assert sorted(row["pixels_sha256"] for row in rows) == [f"{n:064}" for n in range(210)]


def test_label_of_a_page_is_told_from_one_that_a_person_confirmed(tmp_path):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    images = [(f"{number}.jpg", f"{number:064}") for number in range(3)]
    assert reviewed_images(tmp_path / paths.LABELS_CSV) == set()
    write_text(tmp_path / paths.LABELS_CSV, "path,label\n")
    labelling.label_images(tmp_path, images[:1], "cat")
    labelling.label_images(tmp_path, images[1:], "cat")
    assert reviewed_images(tmp_path / paths.LABELS_CSV) == {images[0][1]}
    labelling.correct(tmp_path, {images[1]: "cat"})
    assert reviewed_images(tmp_path / paths.LABELS_CSV) == {images[0][1], images[1][1]}


def test_rows_of_a_path_are_told_apart_by_their_pixels(tmp_path):
    """One photo was renamed, and another one has its old name."""
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n1.jpg,cat\n", encoding="utf-8")
    rows = {key: {"path": "1.jpg", "label": "dog", "pixels_sha256": key} for key in ("a1", "b2")}
    write_rows(table, {"a1": rows["a1"]})
    take_back = write_rows(table, {"b2": rows["b2"], "a1": rows["a1"] | {"path": "2.jpg"}})
    text = "path,label,pixels_sha256\n1.jpg,cat,\n"
    assert table.read_text(encoding="utf-8") == f"{text}2.jpg,dog,a1\n1.jpg,dog,b2\n"
    take_back()
    assert table.read_text(encoding="utf-8") == f"{text}1.jpg,dog,a1\n"
    assert [image_of(row) for row in read_rows(table)] == ["1.jpg", "a1"]


def test_taking_back_leaves_other_cells_that_the_user_wrote_since(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,label,by\n1.jpg,cat,\n", encoding="utf-8")
    take_back = write_rows(table, correction("1.jpg", "dog"))
    table.write_text("path,label,by\n1.jpg,dog,me\n", encoding="utf-8")
    take_back()
    assert table.read_text(encoding="utf-8") == "path,label,by\n1.jpg,cat,me\n"


def test_undo_of_one_session_leaves_what_another_wrote_since(tmp_path):
    """The first tab labels, the second tab labels again, and then the first tab undoes."""
    take_back = labelling.correct(tmp_path, {("1.jpg", ""): "cat"})
    labelling.correct(tmp_path, {("1.jpg", ""): "dog"})
    with refused("labels.csv: 1.jpg", "cannot undo the label"):
        take_back()
    assert labelling.labels_given(tmp_path) == {"1.jpg": "dog"}


def test_other_rows_of_a_spreadsheet_stay_as_they_are(tmp_path):
    """The byte order mark, line endings, and line breaks in cells are kept."""
    table = tmp_path / "labels.csv"
    lines = ["\ufeffPath,label,by", '1.jpg,cat,"a\r\nb"', "2.jpg,cat,c", "3.jpg,dog,"]
    text = "\r\n".join(lines)
    table.write_bytes(text.encode())
    changes = correction("2.jpg", "dog") | correction("4.jpg", "cat")
    take_back = write_rows(table, changes)
    changed = text.replace("2.jpg,cat", "2.jpg,dog") + "\r\n4.jpg,cat,\r\n"
    assert table.read_bytes() == changed.encode()
    take_back()
    assert table.read_bytes() == f"{text}\r\n".encode()
    cells = {"path": "5.jpg", "label": "cat", "pixels_sha256": "a1"}
    write_rows(table, {"a1": cells})
    longer = [f"{line}," for line in lines]
    longer[0] += "pixels_sha256"
    assert table.read_bytes() == "\r\n".join([*longer, "5.jpg,cat,,a1", ""]).encode()


@pytest.mark.skipif(os.name != "posix", reason="links need a right of their own")
def test_link_to_a_drive_that_is_away_is_not_replaced_by_a_table(tmp_path):
    (tmp_path / "labels.csv").symlink_to(tmp_path / "away" / "labels.csv")
    with pytest.raises(FileNotFoundError):
        write_rows(tmp_path / "labels.csv", correction("1.jpg", "cat"))
