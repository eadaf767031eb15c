"""Test the whole loop in a browser, with a real `dvc repro`: Run, Keep, params, Run, Discard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_browser import choose, chromium, expect, open_page, opened, serious, settled
from conftest import FROZEN, OFFLINE, commit, git_project, replace, share_cache, succeed
from faults import PHOTO, encode
from servers import served

from examples.demo import draw_dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tiny_run, tmp_path_factory) -> Path:
    """Return a project without a run, with photos that DVC tracks."""
    folder = git_project(tmp_path_factory.mktemp("loop") / "project", FROZEN + OFFLINE)
    share_cache(tiny_run, folder)
    replace(folder / "params.yaml", "../images.zip", "photos")
    for name, data in draw_dataset(train=12, validation=0):
        path = folder / "photos" / Path(name).parent.name / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    succeed("dvc", "add", "-q", "photos", cwd=folder)
    commit(folder, "Photos")
    return folder


@pytest.fixture
def page(project) -> Iterator:
    with (
        served(project) as address,
        chromium() as browser,
        opened(browser, address, viewport={"width": 1280, "height": 800}) as page,
    ):
        yield page


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def run(page, name: str = "Run") -> None:
    """Press the button and wait until the run that it starts ends."""
    press(page, name)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    settled(page)
    assert serious(page) == {}
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=600_000)
    expect(page.get_by_text("Done in")).to_be_visible()
    settled(page)


def confirm(page, name: str) -> None:
    """Press the button, and then the button in the dialog that it opens."""
    press(page, name)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    settled(page)
    assert serious(page) == {}
    press(dialog, name)
    expect(dialog).to_have_count(0)
    settled(page)


def files_in(project: Path) -> dict[str, bytes]:
    photos = project / "photos"
    paths = [path for path in photos.rglob("*") if path.is_file()]
    return {path.relative_to(photos).as_posix(): path.read_bytes() for path in paths}


def test_loop_of_photos_run_keep_params_run_and_discard(page, project):
    before = files_in(project)
    name = "cats/cat.0001.jpg"
    assert name in before
    photo = encode(PHOTO)
    uploads = {
        Path(name).name: photo,  # the name of an existing photo
        f"{251 * 'x'}.jpg": encode(PHOTO.rotate(90)),
        "../../out.jpg": photo,
        "text.jpg": b"no image",
        "notes.txt": b"no image either",
    }
    open_page(page, "Add photos")
    choose(page, "Class", "cat")
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "", "buffer": data} for name, data in uploads.items()]
    )
    press(page, "Add")
    expect(page.get_by_text("2 photos added to photos/cats")).to_be_visible()
    for reason in ("unsafe name", "not an image", "other file"):
        expect(page.get_by_text(reason)).to_be_visible()
    after = files_in(project)
    assert after.items() > before.items()
    assert sorted(after[name] for name in after.keys() - before.keys()) == sorted(
        list(uploads.values())[:2]
    )
    assert not list(project.parent.glob("*.jpg"))

    open_page(page, "Run")
    run(page)
    confirm(page, "Keep")
    subject = succeed("git", "log", "-1", "--format=%s", cwd=project)
    assert subject.startswith("2 photos of cats added")
    assert succeed("git", "status", "--porcelain", cwd=project) == ""
    assert succeed("dvc", "status", "-q", cwd=project) == ""

    committed = (project / "params.yaml").read_bytes()
    page.get_by_text("Try other params", exact=True).click()
    run(page, "Try")
    press(page, "Use larger")
    expect(page.get_by_text("model.image_size: 96 → 128")).to_be_visible()
    page.get_by_text("Params", exact=True).click()
    page.get_by_role("spinbutton", name="Image size").fill("160")
    press(page, "Write to params.yaml")
    expect(page.get_by_text("model.image_size: 96 → 160")).to_be_visible()
    (project / "labels.csv").write_text(f"path,label\n{name},dog\n", encoding="utf-8")
    (project / "photos" / "cats" / "mine.jpg").write_bytes(encode(PHOTO.rotate(180)))
    page.reload()
    settled(page)
    run(page)
    confirm(page, "Discard")
    assert (project / "params.yaml").read_bytes() == committed
    assert files_in(project).keys() == {*after, "cats/mine.jpg"}
    changed = succeed("git", "diff", "--name-only", cwd=project).split()
    assert changed == ["labels.csv", "photos.dvc"]
