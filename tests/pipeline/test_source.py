"""Test that DVC notices changes in the image source, and asks no server if nothing changes."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
from conftest import (
    change,
    commit,
    git_project,
    photo,
    photos_of,
    repro,
    run,
    sha256,
    succeed,
    write_files,
)
from dependencies import opened, recording, surprises

from pawprint.columns import SPLIT
from pawprint.files import pack
from pawprint.images.archive import LIST
from pawprint.paths import SPLIT_CSV
from pawprint.tables import read_table

CHANGES = "fetch: {source: ../photos}"


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a project with a folder of photos next to it as its source."""
    photos = photos_of(["cats/1.jpg", "dogs/1.jpg"])
    pack(tmp_path / "images.zip", photos.items())
    shutil.unpack_archive(tmp_path / "images.zip", tmp_path / "photos")
    return git_project(tmp_path / "project", CHANGES)


def test_images_added_to_a_folder_are_noticed_also_after_another_source(project):
    assert repro(project, "clean") == ["fetch", "clean"]
    change(project, "fetch: {source: ../images.zip}")
    repro(project, "clean")
    (project.parent / "photos" / "cats" / "2.jpg").write_bytes(photo(3))
    change(project, CHANGES)
    assert repro(project, "clean") == ["fetch", "clean"]
    images = (project / "data/clean/images.csv").read_text(encoding="utf-8").splitlines()
    assert len(images) == 1 + 3
    shutil.rmtree(project.parent / "photos")
    assert repro(project, "--allow-missing", "clean") == []
    code = ("python", "-m", "stages.code")
    assert "with --allow-missing, DVC uses the images" in succeed(*code, cwd=project)
    change(project, "fetch: {source: ../phtos}")
    line = succeed(*code, cwd=project).splitlines()[0]
    assert "../phtos does not exist: correct fetch.source" in line and "missing" not in line


def test_server_of_a_url_is_not_asked_when_nothing_changed(project, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PAWPRINT_MIRROR": ""}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"url: http://127.0.0.1:{server.server_port}/images.zip\n"
        url += f"sha256: {sha256(tmp_path / 'images.zip')}\n"
        (project / "photos.yaml").write_text(url, encoding="utf-8")
        change(project, "fetch: {source: photos.yaml}")
        assert repro(project, "fetch", **cache) == ["fetch"]
        server.shutdown()
    assert repro(project, "fetch") == []


def test_folder_that_dvc_tracks_is_read_where_it_is_and_only_as_it_was_listed(tmp_path):
    project = git_project(tmp_path / "project", "fetch: {source: photos/all}")
    photos = photos_of(f"{label}/{number}.jpg" for label in ("cats", "dogs") for number in range(9))
    folder = write_files(project / "photos" / "all", photos)
    succeed("dvc", "add", "photos", cwd=project)
    (tmp_path / "records").mkdir()
    stages = ["fetch", "clean", "split"]
    assert repro(project, "split", **recording(tmp_path / "records")) == stages
    commit(project, "Run")
    assert [path.name for path in (project / "data/raw/archives").iterdir()] == [LIST]
    split = read_table(project / SPLIT_CSV, SPLIT)
    shown = split["path"][split["split"] == "train"].iloc[0]
    for stage in ("clean", "split"):
        record = tmp_path / "records" / f"{stage}.txt"
        assert f"photos/all/{shown}" in opened(record)[0]
        assert surprises(project, stage, record) == set()
    for other, received in ((photo(9), "changed since"), (None, "no such file")):
        (folder / shown).write_bytes(other) if other else (folder / shown).unlink()
        result = run("python", "-m", "stages.split", cwd=project)
        (line,) = result.stderr.splitlines()
        assert f"photos/all/{shown}: expected the file that `fetch` listed" in line
        assert received in line and result.returncode == 1
    assert repro(project, "split") == stages
    succeed("git", "restore", ".", cwd=project)
    succeed("dvc", "checkout", "--allow-missing", cwd=project)
    assert repro(project, "split") == []
    succeed("python", "-m", "stages.split", cwd=project)
