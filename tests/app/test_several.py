"""Test answers about photos that can show several labels, in a browser."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from app_browser import chromium, expect, open_part, opened, serious, settled
from conftest import PROJECT, change, clean_archive, photo, refused
from servers import served

from pawprint.app import HERE
from pawprint.app.labelling import ImageKey, answer, read_rows, states_of
from pawprint.base import paths
from pawprint.base.columns import IMAGES, PATHS, SERIES, SPLIT, to_review
from pawprint.base.files import pack
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.base.tables import read_table, write_table
from pawprint.given.user_tables import OF_PAGE

CELLS = {"0.jpg": "sea", "1.jpg": "new|sea?|sunset", "2.jpg": "none", "3.jpg": "unlabelled"}
NOTED = "path,label,note\n2.jpg,sunset,mine\n"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return a project with labels to review, and with the label `new`, which is not known."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    shutil.copy(PROJECT / "params.yaml", project)
    change(project, "clean: {labels: auto, several_labels: true, not_asked: [new]}")
    table = "\n".join(["file_name,label", *map(",".join, CELLS.items())])
    paths.RAW_IMAGES.parent.mkdir(parents=True)
    photos = [(name, photo(number)) for number, name in enumerate(CELLS)]
    pack(paths.RAW_IMAGES, [("metadata.csv", table.encode()), *photos])
    images, _, _ = clean_archive(paths.RAW_ARCHIVES, labels="auto", kind=SEVERAL_LABELS)
    write_table(paths.IMAGES_CSV, images, IMAGES)
    rows = images.assign(split="train", group="", **dict.fromkeys(SERIES, ""))
    write_table(paths.PATHS_CSV, rows, PATHS)
    write_table(paths.SPLIT_CSV, rows, SPLIT)
    rows = rows.iloc[[2, 1]].assign(likely=["ask new", "remove sunset"], cell=["new", "new"])
    rows = rows.assign(probability=0.1, contradicts="")
    write_table(paths.LABELS_TO_REVIEW_CSV, rows, to_review(exclusive=False))
    paths.LABELS_CSV.write_text(NOTED, encoding="utf-8")
    return project


def image(path: str) -> ImageKey:
    return next(image for image in states_of(HERE).index if image[0] == path)


def test_row_that_does_not_name_a_new_label_leaves_what_the_source_says(project):
    paths.LABELS_CSV.write_text("path,label\n1.jpg,sea\n", encoding="utf-8")
    assert states_of(HERE).loc["1.jpg"].to_dict("records") == [{"new": 1, "sea": 1, "sunset": 0}]


def test_photo_that_is_unknown_or_of_another_run_gets_no_answer(project):
    known = image("0.jpg")
    paths.LABELS_CSV.write_text("path,label\n0.jpg,unknown\n", encoding="utf-8")
    for gone in known, ("1.jpg", 64 * "f"):
        with refused("not in the last run"):
            answer(HERE, [gone], "new")


def test_answer_by_page_keeps_a_confirmation_and_what_somebody_else_has_answered(project):
    both = [image("0.jpg"), image("2.jpg")]
    answer(HERE, both[:1], "sea")
    assert answer(HERE, both, "not new", OF_PAGE)[1] == 0
    assert [(row["label"], row.get("how", "")) for row in read_rows(paths.LABELS_CSV)] == [
        ("not new|sunset", ""),
        ("not new|sea", ""),
    ]
    _, known = answer(HERE, both, "new", OF_PAGE)
    assert known == 2 and "new|s" not in paths.LABELS_CSV.read_text().replace("not new", "")


def test_answer_keeps_what_a_copy_knows(project):
    images = read_table(paths.IMAGES_CSV, IMAGES)
    copy = images[images["path"] == "1.jpg"].assign(path="a_copy.jpg", label="sea|sunset")
    write_table(paths.IMAGES_CSV, pd.concat([images, copy]), IMAGES)
    assert states_of(HERE).loc["1.jpg"].to_dict("records") == [{"new": 1, "sea": 1, "sunset": 1}]


@pytest.mark.slow
def test_labels_are_answered_one_by_one_and_by_pages_and_undone(project):
    def press(*keys: str) -> dict[str, str]:
        number = int(page.locator(".page").get_attribute("data-number"))
        for key in keys:
            page.keyboard.press(key)
        page.locator(f'.page[data-number="{number + 1}"]').wait_for()
        settled(page)
        return {row["path"]: row["label"] for row in read_rows(paths.LABELS_CSV)}

    with served(project) as address, chromium() as browser, opened(browser, address) as page:
        open_part(page, "Labels to review")
        page.locator('.photo img[alt="2.jpg"]').wait_for()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Does the photo show new?")).to_be_visible()
        page.get_by_role("button", name="sea?", exact=True).click()
        assert press("1", "1", "Enter") == {"2.jpg": "not new|sea?|sunset"}
        take_back, _ = answer(HERE, [image("1.jpg")], "sea")  # by somebody else
        assert press("Enter")["1.jpg"] == "new|sea"
        expect(page.get_by_text("You have reviewed all labels")).to_be_visible()
        assert press("u")["1.jpg"] == "new|sea|sunset"
        take_back()
        assert serious(page) == {}
        open_part(page, "new?")
        page.locator('.photo img[alt="3.jpg"]').wait_for()
        names = [photo.get_attribute("alt") for photo in page.locator(".photo img").all()]
        assert sorted(names) == ["0.jpg", "3.jpg"]
        page.keyboard.press("ab"[names.index("0.jpg")])
        assert press("2")["3.jpg"] == "not new|sea?|sunset?"
        assert press("1")["0.jpg"] == "new|sea"
        expect(page.get_by_text("All photos have an answer about new.")).to_be_visible()
        rows = [(row["path"], row["note"], row["how"]) for row in read_rows(paths.LABELS_CSV)]
        assert rows == [("2.jpg", "mine", ""), ("3.jpg", "", "page"), ("0.jpg", "", "page")]
        press("u")
        assert press("u") == {"2.jpg": "not new|sea?|sunset"}
        assert serious(page) == {}
