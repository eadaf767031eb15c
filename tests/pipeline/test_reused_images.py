"""Test that `clean` decodes each file once, and writes the same bytes as without reuse."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import change, git_project, photo, photos_of, replace, succeed, write_files

from pawprint import paths

PHOTOS = 8


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory) -> Path:
    """Return a project in which `clean` has run, with photos next to it and an unknown image."""
    folder = tmp_path_factory.mktemp("reuse")
    labels = ("cats", "dogs", "unknown")
    names = [f"{labels[number % 3]}/{number}.jpg" for number in range(PHOTOS)]
    write_files(folder / "photos", photos_of(names))
    project = git_project(folder / "project", "fetch: {source: ../photos}")
    assert reused(project) == 0
    return project


@pytest.fixture
def project(cleaned, tmp_path) -> Path:
    shutil.copytree(cleaned.parent / "photos", tmp_path / "photos")
    return shutil.copytree(cleaned, tmp_path / "project", symlinks=True)


def reused(project: Path, *options: str) -> int:
    """Run DVC up to `clean` and return how many images it did not decode again."""
    match = re.search(
        r"clean: ([\d,]+) images were not decoded again",
        succeed("dvc", "repro", *options, "clean", cwd=project),
    )
    return int(match[1]) if match else 0


def outputs(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "data" / "clean").iterdir()}


def check_from_nothing(project: Path) -> None:
    """Check that the tables equal those of a run that cannot reuse anything."""
    before = outputs(project)
    (project / paths.LOCK).unlink()
    assert reused(project, "--force") == 0
    assert outputs(project) == before


def test_only_new_bytes_are_decoded_after_edits_of_photos_a_label_and_other_code(project):
    photos = project.parent / "photos"
    (photos / "cats" / "new.jpg").write_bytes(photo(100))
    (photos / "cats" / "copy.jpg").write_bytes(photo(1))  # same pixels as a dog: both are rejected
    (photos / "cats" / "3.jpg").rename(photos / "cats" / "renamed.jpg")
    (photos / "dogs" / "4.jpg").write_bytes(photo(101))
    with (project / paths.LABELS_CSV).open("a", encoding="utf-8") as labels:
        labels.write("cats/0.jpg,dog\n")
    for module in ("dataset/cleaning.py", "dataset/near_duplicates.py"):
        with (project / "pawprint" / module).open("a", encoding="utf-8") as file:
            file.write("UNUSED = 0\n")
    columns = project / "pawprint/columns.py"
    replace(columns, "REJECTED = texts(", "REJECTED = {} | texts(")
    assert reused(project) == PHOTOS - 2
    check_from_nothing(project)


def test_forced_run_reuses_undamaged_rows_only(project):
    assert reused(project, "--force") == PHOTOS
    table = project / paths.DECODED_CSV
    for path in (project / ".dvc" / "cache").rglob("*"):
        if path.is_file() and path.read_bytes() == table.read_bytes():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes().replace(b",64,", b",65,"))
    before = outputs(project)
    assert reused(project, "--force") == 0
    assert outputs(project) == before


@pytest.mark.parametrize(
    "changed",
    ["code", *(pytest.param(name, marks=pytest.mark.extended) for name in ("rule", "bits"))],
)
def test_all_are_decoded_again_by_another_decoder(project, changed):
    if changed == "code":
        with (project / "pawprint/decoding/formats.py").open("a", encoding="utf-8") as file:
            file.write("UNUSED = 0\n")
    else:
        change(project, {"rule": "clean: {rule: jfif}", "bits": "clean: {bits: 12}"}[changed])
    before = outputs(project)
    assert reused(project) == 0
    after = outputs(project)
    assert {name for name in after if after[name] != before[name]} == {paths.DECODED_CSV.name}
