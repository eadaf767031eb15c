"""Test the app and the report in a real browser, with a real server and results of a real run."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from app_browser import chromium, expect, open_page, open_part, opened, serious, settled
from conftest import commit, pawprint, succeed
from faults import black_png
from servers import served

from examples.demo import draw_dataset
from pawprint.columns import LABELS_TO_REVIEW, SCORES
from pawprint.dataset.metadata_csv import read_metadata_csv
from pawprint.dataset.sources import fetch
from pawprint.images.archive import members, open_archive
from pawprint.paths import LABELS_TO_REVIEW_CSV, SCORES_CSV
from pawprint.reports.pages import score_of
from pawprint.tables import read_table, write_table

pytestmark = pytest.mark.slow

PAGES = ("Run", "Add photos", "This run", "Report", "Data", "Label", "Try it", "Compare")
PARTS = {  # of the pages
    "Counts": "Data",
    "Rejected": "Data",
    "Near-duplicates": "Data",
    "New images": "Label",
    "Labels to review": "Label",
    "Labelled": "Label",
}
SCREEN = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 800}
PHOTO = re.compile(r"\b(cat|dog)\.\d")


@pytest.fixture(scope="module")
def workspace(tiny_run, tmp_path_factory) -> Path:
    """Return a project with a committed run and a label to review."""
    copy = tmp_path_factory.mktemp("app") / "copy"
    project = shutil.copytree(tiny_run.parent, copy) / tiny_run.name
    # None of the drawn images has a label to review.
    suspects = table(project, "data/split/images.csv").query("split == 'train'").head(1)
    suspects = suspects.assign(likely="dog", probability=0.01, contradicts="")
    write_table(project / LABELS_TO_REVIEW_CSV, suspects, LABELS_TO_REVIEW)
    succeed("dvc", "commit", "--force", "--quiet", cwd=project)
    commit(project, "Label to review")
    return project


@pytest.fixture(scope="module")
def address(workspace) -> Iterator[str]:
    with served(workspace) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, address) -> Iterator:
    with opened(browser, address, viewport=SCREEN) as page:
        yield page


def table(workspace: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(workspace / name, keep_default_na=False)


def test_every_page_shows_itself_without_error_is_accessible_and_fits_a_phone(browser, address):
    # A phone follows the viewport tag of a page, so this page is a phone's from the beginning.
    device = {"viewport": SCREEN, "is_mobile": True, "has_touch": True}
    with opened(browser, address, **device) as page:
        for name in (*PAGES, *PARTS):
            open_page(page, PARTS.get(name, name))
            if name in PARTS:
                open_part(page, name)
            expect(page.get_by_role("alert")).to_have_count(0)
            expect(page.get_by_test_id("stException")).to_have_count(0)
            assert serious(page) == {}, name
            page.set_viewport_size(PHONE)
            for box in (page.locator("html"), page.get_by_test_id("stMain")):
                expect(box).to_have_js_property("scrollWidth", PHONE["width"])  # of its content
            page.set_viewport_size(SCREEN)


def test_click_on_a_photo_opens_it_large_with_its_saliency_as_part_of_the_page(page):
    open_page(page, "This run")
    page.get_by_role("img", name=PHOTO).first.click(force=True)  # click on its button
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name=re.compile("^Saliency of"))).to_be_visible()
    expect(dialog.get_by_role("img")).to_have_count(2)
    # Photos must be data URIs: another session's run can delete Streamlit's files too early.
    photos = page.get_by_role("img", name=PHOTO)
    assert photos.evaluate_all("all => all.every(one => one.src.startsWith('data:'))")


def test_uploaded_photo_gets_the_label_of_predict_and_hostile_ones_their_reason(
    page, workspace, tmp_path
):
    with zipfile.ZipFile(workspace / "data/raw/archives/images.zip") as archive:
        photo = archive.read("drawn/validation/cats/cat.0001.jpg")
    (tmp_path / "cat.jpg").write_bytes(photo)
    command = ("predict", "--format", "json", str(tmp_path / "cat.jpg"))
    (predicted,) = json.loads(pawprint(workspace, *command).stdout)
    reasons = {
        "cut.jpg": (photo[: len(photo) // 2], "truncated: "),
        "bomb.png": (black_png(20_000, 20_000), "too large: "),
        "![x](http://example.org/y).jpg": (b"", "empty file: 0 bytes"),
    }
    files = {name: data for name, (data, _) in reasons.items()} | {"cat.jpg": photo}
    open_page(page, "Try it")
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in files.items()]
    )
    expect(page.get_by_test_id("stMetricValue")).to_have_text(predicted["label"])
    probability = f"{predicted['label']} {predicted['probabilities'][predicted['label']]:.1%}"
    expect(page.get_by_text(probability)).to_be_visible()
    expect(page.get_by_role("img", name="Saliency of cat.jpg")).to_be_visible()
    for _, reason in reasons.values():
        expect(page.get_by_text(f"cannot use this file: {reason}")).to_be_visible()
    expect(page.get_by_role("heading", level=2)).to_have_count(len(files))
    expect(page.get_by_role("main").get_by_role("link")).to_have_count(len(PAGES))
    expect(page.get_by_role("main").locator('img[alt="x"]')).to_have_count(0)


def press(page, key: str, text: str) -> None:
    """Press a key and wait until the page shows this text."""
    page.keyboard.press(key)
    expect(page.get_by_text(text)).to_be_visible()
    settled(page)


def current_image(page) -> str:
    """Return the name of the file that needs a label."""
    photo = page.locator(".single .photo img")
    return Path(photo.get_attribute("alt")).name


def start(page, folder: Path, target: Path) -> None:
    open_part(page, "New images")
    page.get_by_role("radiogroup").get_by_text("one by one").click()
    for name, path in (("of unlabelled images", folder), ("for labelled images", target)):
        page.get_by_role("textbox", name=re.compile(name)).fill(str(path))
    page.get_by_role("button", name="Start").click()


def test_new_images_get_labels_by_keys_in_a_folder_that_is_a_source(page, tmp_path):
    folder, target = tmp_path / "new", tmp_path / "labelled"
    folder.mkdir()
    for name, data in draw_dataset(train=23, validation=0):
        if re.search(r"\.(002[1-3]|cut)\.", name):  # the new photos, and one that cannot be read
            (folder / Path(name).name).write_bytes(data)
    names = {path.name for path in folder.iterdir()}
    open_page(page, "Label")
    start(page, folder, target)
    expect(page.get_by_text("6 photos left.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Predicted: \w+ \d+\.\d%\. What does"))).to_be_visible()
    settled(page)
    assert serious(page) == {}
    first = current_image(page)
    press(page, "1", "5 photos left; 1 got")
    second = current_image(page)
    both = page.get_by_role("button", name=re.compile("^[12]?(dog|cat)$"))
    # Only the first click counts.
    both.evaluate_all("all => all.reverse().forEach(each => each.click())")
    expect(page.get_by_text("4 photos left; 2 got")).to_be_visible()
    settled(page)
    skipped = current_image(page)
    page.keyboard.press("Space")
    page.locator(f'.single img:not([alt$="{skipped}"])').wait_for()
    refused = current_image(page)
    press(page, "0", "3 photos left; 3 got")
    undone = current_image(page)
    press(page, "1", "2 photos left; 4 got")
    press(page, "u", "3 photos left; 3 got")
    assert current_image(page) == undone
    assert rows_in(target, tmp_path / "raw") == {first: "cat", second: "dog"}
    assert {path.name for path in target.iterdir()} == {first, second, "metadata.csv"}
    assert {path.name for path in folder.iterdir()} == names
    press(page, "d", "3 photos left (marked as not known: 1)")
    last = current_image(page)
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("3 photos left (marked as not known: 1)")).to_be_visible()
    settled(page)
    for left in ("2 photos left (marked as not known: 1); 1", "1 photo left (marked"):
        assert current_image(page) in (skipped, last)
        press(page, "2", left)
    assert current_image(page) == undone
    press(page, "2", "All photos have a label.")
    assert {first, second, refused}.isdisjoint({skipped, undone})
    page.reload()
    open_part(page, "New images")
    for name, path in (("of unlabelled images", folder), ("for labelled images", target)):
        expect(page.get_by_role("textbox", name=re.compile(name))).to_have_value(str(path))


def rows_in(target: Path, raw: Path) -> dict[str, str]:
    """Return the labels that a run reads from a folder of labelled photos."""
    fetch(target, raw)
    with open_archive(raw) as archive:
        rows = read_metadata_csv(archive, members(archive))
    return {name: row.label for name, row in rows.items()}


def test_report_opens_from_disk_and_asks_for_nothing_else(browser, workspace):
    with browser.new_context(viewport=PHONE) as context:
        page = context.new_page()
        urls, errors = [], []
        page.on("request", lambda request: urls.append(request.url))
        page.on("console", lambda message: errors.append(message.text))
        page.goto((workspace / "plots" / "report.html").as_uri())
        assert [url for url in urls if not url.startswith(("file:", "data:"))] == errors == []
        pictures = page.locator("img")
        assert pictures.evaluate_all("all => all.every(one => one.naturalWidth > 0)")
        assert page.locator("html").evaluate("page => page.scrollWidth") <= PHONE["width"]
        test = score_of(read_table(workspace / SCORES_CSV, SCORES), "test", "accuracy")
        correct = f"{round(test['value'] * test['images'])} of {test['images']}"
        expect(page.get_by_text(correct).first).to_be_visible()
        assert serious(page) == {}
