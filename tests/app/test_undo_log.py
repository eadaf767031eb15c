"""Test that a browser can undo its own answers, also after a reload."""

from pathlib import Path

from conftest import photo, write_files

from pawprint.app import HERE, undo_log
from pawprint.app.groups import Pages
from pawprint.projects.class_folders import add_all
from pawprint.projects.label_rows import read_rows
from pawprint.projects.labelling import label_images, labels_given


def images(names: str) -> list[tuple[str, str]]:
    """Return the path and pixels_sha256 of an image for each letter."""
    return [(f"{name}.jpg", 64 * name) for name in names]


def labels_in(folder: Path) -> list[str]:
    return [row["label"] for row in read_rows(folder / "metadata.csv", "file_name")]


def test_answers_of_a_browser_can_be_taken_back_after_a_reload(tmp_path, monkeypatch):
    """Answers are undone in the browser's own order, each once, skipping a truncated line."""
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "labelled"
    pages = {name: Pages() for name in ("mine", "other")}
    for name, letters in (("mine", "ab"), ("other", "cd"), ("mine", "ef")):
        pages[name].images = images(letters)
        changes, _ = label_images(HERE, images(letters[0]), "cat")
        undo_log.record(pages[name], (name, ""), {0}, "cat", changes)
    with undo_log.ANSWERS.open("a") as file:
        file.write('\n{"number": "1", "sess')
    for letter in "ea":
        again = Pages()
        undo_log.restore(again, ("mine", ""))
        again.take_back()
        assert again.images[0] == images(letter)[0]
        assert 64 * letter not in labels_given(HERE)
    again = Pages()
    undo_log.restore(again, ("mine", ""))
    assert again.answers == []
    assert labels_given(HERE) == {64 * "c": "cat"}

    image = write_files(tmp_path, {"new/1.jpg": photo(1)}) / "new/1.jpg"
    pages["mine"].images = [(str(image), "")]
    place = {"cat": (target, "cat")}
    undo_log.record(
        pages["mine"], ("mine", "new"), {0}, "cat", add_all(HERE, place, [image], "cat")
    )
    assert labels_in(target) == ["cat"]
    undo_log.restore(again, ("mine", "new"))
    again.take_back()
    assert labels_in(target) == []
    assert not (target / "1.jpg").exists()
