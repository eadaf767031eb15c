"""Test that DVC notices changes in the image source, and asks no server if nothing changes."""

import contextlib
import shutil
from pathlib import Path

import pytest
from conftest import change, commit, photo, refused, repro, sha256, succeed, write_files
from dependencies import opened, recording, surprises
from servers import files_of

from examples.demo import draw_dataset
from pawprint.artifacts import open_photos
from pawprint.base.columns import SPLIT
from pawprint.base.paths import SPLIT_CSV
from pawprint.base.tables import read_table
from pawprint.given.archive import LIST, read_member
from stages import code


@pytest.fixture
def project(tiny_copy) -> Path:
    """Return a project with a folder of photos next to it as its source."""
    shutil.unpack_archive(tiny_copy.parent / "images.zip", tiny_copy.parent / "photos")
    change(tiny_copy, "fetch: {source: ../photos}")
    return tiny_copy


def test_images_added_to_a_folder_are_noticed_also_after_another_source(
    project, monkeypatch, capsys
):
    assert repro(project, "fetch") == ["fetch"]
    change(project, "fetch: {source: ../images.zip}")
    repro(project, "fetch")
    (project.parent / "photos" / "drawn/train/cats/new.jpg").write_bytes(photo(3))
    change(project, "fetch: {source: ../photos}")
    assert repro(project, "fetch") == ["fetch"]
    shutil.rmtree(project.parent / "photos")
    assert repro(project, "--allow-missing", "fetch") == []
    monkeypatch.chdir(project)
    code.main()
    assert "with --allow-missing, DVC uses the images" in capsys.readouterr().out
    change(project, "fetch: {source: ../phtos}")
    code.main()
    line = capsys.readouterr().out.splitlines()[0]
    assert "../phtos does not exist: correct fetch.source" in line and "missing" not in line


def test_server_of_a_url_is_not_asked_when_nothing_changed(project, tmp_path):
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PAWPRINT_MIRROR": ""}
    with files_of(tmp_path) as port:
        url = f"url: http://127.0.0.1:{port}/images.zip\n"
        url += f"sha256: {sha256(tmp_path / 'images.zip')}\n"
        (project / "photos.yaml").write_text(url, encoding="utf-8")
        change(project, "fetch: {source: photos.yaml}")
        assert repro(project, "fetch", **cache) == ["fetch"]
    assert repro(project, "fetch") == []


@pytest.mark.slow
def test_folder_that_dvc_tracks_is_read_where_it_is_and_only_as_it_was_listed(tiny_copy):
    project, records = tiny_copy, tiny_copy.parent / "records"
    change(project, "fetch: {source: photos/all}")
    folder = write_files(project / "photos/all", dict(draw_dataset(train=9, validation=0)))
    succeed("dvc", "add", "photos", cwd=project)
    stages = ["fetch", "clean", "split"]
    assert repro(project, "split", **recording(records)) == stages
    commit(project, "Run")
    assert [path.name for path in (project / "data/raw/archives").iterdir()] == [LIST]
    table = read_table(project / SPLIT_CSV, SPLIT)
    shown = table["path"][table["split"] == "train"].iloc[0]
    assert f"photos/all/{shown}" in opened(records / "clean.txt")[0]
    assert surprises(project, "clean", records / "clean.txt") == set()
    for other, received in ((photo(9), "changed since"), (None, "no such file")):
        (folder / shown).write_bytes(other) if other else (folder / shown).unlink()
        place = f"photos/all/{shown}: expected the file that `fetch` listed"
        with contextlib.chdir(project), open_photos(Path()) as archive, refused(place, received):
            read_member(archive, shown)
    assert repro(project, "split") == stages
    succeed("git", "restore", ".", cwd=project)
    succeed("dvc", "checkout", "--allow-missing", cwd=project)
    assert repro(project, "split") == []
