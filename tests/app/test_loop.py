"""Test the loop in a browser, with a real run: label a page, undo, run, see the class."""

from pathlib import Path

import pytest
from app_browser import chromium, expect, open_page, open_part, opened, serious, settled
from conftest import (
    FROZEN,
    OFFLINE,
    commit,
    git_project,
    replace,
    share_cache,
    succeed,
    write_files,
)
from servers import served

from examples.demo import draw_picture
from pawprint.app.labelling import read_rows
from pawprint.base import paths
from pawprint.base.columns import SPLIT
from pawprint.base.tables import read_table

pytestmark = pytest.mark.slow

SCREEN = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
NEW = 24  # photos without a class


@pytest.fixture(scope="module")
def project(tiny_run, tmp_path_factory) -> Path:
    """Return a project without a run, with photos in class folders and NEW cats without a class."""
    folder = git_project(tmp_path_factory.mktemp("loop") / "project", FROZEN + OFFLINE)
    share_cache(tiny_run, folder)
    replace(folder / "params.yaml", "../images.zip", "photos")
    drawn = [(label, number) for label in ("cat", "dog") for number in range(1, 13)]
    files = {f"{label}s/{number}.jpg": draw_picture(label, number) for label, number in drawn}
    new = {f"unlabelled/{number}.jpg": draw_picture("cat", 13 + number) for number in range(NEW)}
    write_files(folder / "photos", files | new)
    succeed("dvc", "add", "-q", "photos", cwd=folder)
    commit(folder, "Photos")
    return folder


def labels_in(project: Path) -> dict[str, str]:
    return {row["path"]: row["label"] for row in read_rows(project / "labels.csv")}


def photos_on(page) -> list[str]:
    """Return the names of the files on the page."""
    page.locator(".page").wait_for()
    return [photo.get_attribute("alt") for photo in page.locator(".photo img").all()]


def press(page, *keys: str) -> None:
    """Press keys and wait for the next page of photos."""
    number = int(page.locator(".page").get_attribute("data-number"))
    for key in keys:
        page.keyboard.press(key)
    page.locator(f'.page[data-number="{number + 1}"]').wait_for()


def run(page, button: str) -> None:
    """Press the button that starts a run and wait until the run ends."""
    page.get_by_role("button", name=button, exact=True).click()
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    page.reload()
    expect(page.get_by_text("Running stage").first).to_be_visible()
    expect(stop).to_have_count(0, timeout=600_000)
    settled(page)
    assert page.get_by_role("alert").count() == 0


def test_photos_are_labelled_undone_and_learned_and_the_class_is_seen(project):
    with (
        served(project) as address,
        chromium() as browser,
        opened(browser, address, viewport=SCREEN, is_mobile=True) as page,
    ):
        run(page, "Prepare the photos")
        label_pages(page, project)
        open_page(page, "Run")
        run(page, "Run")
        commit(project, "Run")
        page.reload()
        expect(page.get_by_text("The predictions of the last commit and this run")).to_be_visible()
        open_page(page, "Try it")
        cat = (project / "photos/cats/1.jpg").read_bytes()
        files = {"cat.jpg": cat, "cut.jpg": cat[: len(cat) // 2]}
        page.locator("input[type=file]").set_input_files(
            [{"name": name, "mimeType": "", "buffer": data} for name, data in files.items()]
        )
        expect(page.get_by_test_id("stMetricValue")).to_have_text("cat")
        expect(page.get_by_role("img", name="Saliency of cat.jpg")).to_be_visible()
        expect(page.get_by_text("cannot use this file: truncated")).to_be_visible()
        for name in ("Run", "Label", "Try it"):
            open_page(page, name)
            fits(page)
        for part in ("Labels to review", "Unlabelled"):
            open_page(page, "Label")
            open_part(page, part)
            fits(page)
    images = read_table(project / paths.SPLIT_CSV, SPLIT)
    learned = images[images["path"].str.startswith("unlabelled/")]
    assert learned["label"].tolist() == ["cat"] * NEW


def label_pages(page, project: Path) -> None:
    """Label all photos by keys, with one answer undone."""
    names = photos_on(page)
    last = page.locator(".photo").last.bounding_box()
    assert last["y"] + last["height"] <= SCREEN["height"]  # no scrolling
    marked = page.locator('.photo[aria-pressed="true"]')
    page.keyboard.press(".")
    expect(marked).to_have_count(len(names))
    page.keyboard.press("b")
    expect(marked).to_have_count(len(names) - 1)
    page.keyboard.press("Shift+B")
    expect(page.get_by_role("dialog").get_by_text(names[1])).to_be_visible()
    assert serious(page) == {}
    page.keyboard.press("Escape")
    press(page, "2")
    assert set(labels_in(project).values()) == {"dog"}
    press(page, "u")
    assert labels_in(project) == {}
    assert photos_on(page) == names
    press(page, " ")
    assert labels_in(project) == {}
    while photos_on(page):
        press(page, ".", "1")
    expect(page.get_by_text("All photos have a label.")).to_be_visible()
    assert labels_in(project) == {
        path.relative_to(project / "photos").as_posix(): "cat"
        for path in (project / "photos/unlabelled").iterdir()
    }


def fits(page) -> None:
    """Check that a page is accessible, has no error, and is not wider than a phone."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert serious(page) == {}
    page.set_viewport_size(PHONE)
    for box in (page.locator("html"), page.get_by_test_id("stMain")):
        expect(box).to_have_js_property("scrollWidth", PHONE["width"])  # of its content
    page.set_viewport_size(SCREEN)
