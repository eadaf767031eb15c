"""Test labelling photos without classes, page by page, in two browsers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_browser import chromium, expect, opened, serious, settled
from conftest import FROZEN, OFFLINE, change, git_project, share_cache, succeed
from servers import served

from examples.demo import draw_dataset
from pawprint.projects.label_rows import read_rows

pytestmark = pytest.mark.slow

LETTERS = "abcdefhijklmnopqrstvwxyz"  # on the photos of a page
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def project(tiny_run, tmp_path_factory) -> Path:
    """Return a project with eighty drawn cats and dogs in one folder, named after the animal."""
    folder = git_project(tmp_path_factory.mktemp("pages") / "project", FROZEN + OFFLINE)
    share_cache(tiny_run, folder)
    change(folder, "fetch: {source: photos}\nclean: {labels: auto}")
    (folder / "photos").mkdir()
    for name, data in draw_dataset(train=40, validation=0):
        if re.search(r"\.\d{4}\.jpg$", name):
            (folder / "photos" / Path(name).name).write_bytes(data)
    succeed("dvc", "add", "-q", "photos", cwd=folder)
    return folder


@pytest.fixture
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


def prepare(page) -> None:
    """Wait for the first photos. The first test has to compute what they need."""
    button = page.get_by_role("button", name="Prepare the photos")
    expect(button.or_(page.locator(".photo").first)).to_be_visible()
    if button.count():
        button.click()
    expect(page.locator(".photo").first).to_be_visible(timeout=300_000)


def labels_in(project: Path) -> dict[str, str]:
    return {row["path"]: row["label"] for row in read_rows(project / "labels.csv", "path")}


def photos_on(page) -> list[str]:
    """Return the names of the files on the page."""
    page.locator(".page").wait_for()
    return [Path(photo.get_attribute("alt")).name for photo in page.locator(".photo img").all()]


def press(page, *keys: str) -> None:
    """Press keys and wait for the next page."""
    number = int(page.locator(".page").get_attribute("data-number"))
    for key in keys:
        page.keyboard.press(key)
    page.locator(f'.page[data-number="{number + 1}"]').wait_for()


def answer(page) -> dict[str, str]:
    """Label the photos on a page with keys and return the labels that should be written."""
    names = photos_on(page)
    kinds = [name.split(".")[0] for name in names]
    label = max(sorted(set(kinds)), key=kinds.count)
    for photo, kind in zip(page.locator(".photo").all(), kinds):
        is_marked = photo.get_attribute("aria-pressed")  # None if the page shows a single photo
        if is_marked and (is_marked == "true") != (kind == label):
            page.keyboard.press(photo.locator("kbd").inner_text())
    choice = page.get_by_role("button", name=label, exact=True)
    if choice.count():
        press(page, choice.locator("kbd").inner_text())
    else:
        press(page, "+", *label, "Enter")
    return {name: label for name, kind in zip(names, kinds) if kind == label}


def test_keys_are_those_of_the_page_whatever_the_keyboard_and_the_focus(project, browser):
    with served(project) as address, opened(browser, address, viewport=WIDE) as page:
        prepare(page)
        last = page.locator(".photo").last.bounding_box()
        # The page fits on the screen without scrolling.
        assert last["y"] + last["height"] <= WIDE["height"]
        press(page, "+", *80 * "w", "Enter")
        press(page, "+", *"dog", "Enter")
        page.get_by_role("tab", name="Unlabelled").click()
        names = photos_on(page)
        images = page.locator(".photo img")
        marked = page.locator('.photo[aria-pressed="true"]')
        number_marked = marked.count()
        page.keyboard.press("b")  # moves the focus to the tab
        expect(marked).to_have_count(number_marked - 1)
        # Nothing hides the unmarked photo.
        assert images.evaluate_all("all => all.every(one => getComputedStyle(one).opacity === '1')")
        page.keyboard.press(".")
        expect(marked).to_have_count(len(names))
        for _ in range(2):  # pressing twice does not mark the opposite
            page.keyboard.press("Backspace")
            expect(marked).to_have_count(0)
        page.keyboard.press(".")
        for number in range(number_marked, len(names)):
            page.keyboard.press(LETTERS[number])
        page.keyboard.press("b")
        expect(marked).to_have_count(number_marked - 1)
        page.keyboard.press("Shift+B")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text(names[1])).to_be_visible()
        assert serious(page) == {}
        page.keyboard.press("ArrowRight")
        expect(dialog.get_by_text(names[2])).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(marked).to_have_count(number_marked - 1)
        page.keyboard.press("Shift+A")
        expect(dialog.get_by_text(names[0])).to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(dialog.get_by_text(names[1])).to_be_visible()
        settled(page)
        page.keyboard.press("Space")
        expect(dialog).to_have_count(0)
        expect(marked).to_have_count(number_marked)
        page.keyboard.press("b")
        expect(marked).to_have_count(number_marked - 1)

        number = int(page.locator(".page").get_attribute("data-number"))
        # Without Shift, a French keyboard has other characters on the keys 2 and 6.
        for code, key in (("Digit6", "-"), ("Digit2", "é")):
            event = {"code": code, "key": key, "bubbles": True, "composed": True}
            page.get_by_role("tab", name="Unlabelled").dispatch_event("keydown", event)
        page.locator(f'.page[data-number="{number + 1}"]').wait_for()
        labels = labels_in(project)
        assert {labels[name] for name in names if name in labels} == {"dog"}
        assert names[1] not in labels
        assert len([name for name in names if name in labels]) == number_marked - 1
        page.set_viewport_size(PHONE)
        box = page.get_by_role("button", name=80 * "w", exact=True)
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        assert page.locator("html").evaluate("page => page.scrollWidth") <= PHONE["width"]
        for _ in range(3):
            press(page, "u")
        assert labels_in(project) == {}


def test_photos_get_their_classes_in_two_browsers_and_nothing_is_lost(project, browser):
    with (
        served(project) as address,
        opened(browser, address, viewport=WIDE) as page,
        opened(browser, address, viewport=PHONE) as other,
    ):
        expect(page.get_by_role("heading", name="Label", level=1)).to_be_visible()
        prepare(page)
        shown = photos_on(page)
        rest = {path.name for path in (project / "photos").glob("*.jpg")} - {*shown}
        gone = project / "photos" / min(rest)
        gone.unlink()
        other.goto(address)
        other.locator(".photo").first.wait_for()
        written: dict[str, str] = {}
        settled(page)
        assert serious(page) == {}
        assert not set(photos_on(page)) & set(photos_on(other))
        assert other.locator("html").evaluate("page => page.scrollWidth") <= PHONE["width"]
        for one in (page, other):
            written |= answer(one)
            assert labels_in(project) == written

        before = photos_on(page)
        last = answer(page)
        assert labels_in(project) == written | last
        press(page, "u")
        assert photos_on(page) == before
        assert labels_in(project) == written

        last = answer(page)
        page.reload()
        assert labels_in(project) == written | last
        page.locator(".photo").first.wait_for()
        press(page, "u")
        assert photos_on(page) == before
        assert labels_in(project) == written

        marked = page.locator('.photo[aria-pressed="true"] img')
        doubted = {Path(photo.get_attribute("alt")).name for photo in marked.all()}
        press(page, "?")
        assert labels_in(project) == written
        assert not set(photos_on(page)) & doubted
        assert {row["path"] for row in read_rows(project / "undecided.csv", "path")} == doubted

        press(page, "g")
        assert len(photos_on(page)) == 1
        written |= answer(page)
        assert labels_in(project) == written

        page.goto(address)  # reload; earlier labels are kept
        while photos_on(page):
            written |= answer(page)
        expect(
            page.get_by_text(re.compile("^(All photos have a label|Only unreadable photos)"))
        ).to_be_visible()
    assert labels_in(project) == written
    assert all(name.startswith(label) for name, label in written.items())
    # A page that already shows the removed photo may still label it.
    assert len({*written} - {gone.name}) == 79
    assert read_rows(project / "undecided.csv", "path") == []
    said = succeed("dvc", "repro", "split", cwd=project)
    assert "clean: classes from labels.csv: cat, dog" in said
