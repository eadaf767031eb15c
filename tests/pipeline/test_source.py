"""DVC notices what changes in the source of the images, and asks no server when nothing does."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
from conftest import git_project, photo, repro, run

from pawprint.core.files import pack

CHANGES = "fetch: {source: ../photos}"


@pytest.fixture
def project(tmp_path) -> Path:
    """A project whose source is the folder photos beside it."""
    for number, label in enumerate(("cats", "dogs")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.jpg").write_bytes(photo(number))
    pack(tmp_path / "images.zip", [("cats/1.jpg", photo(1)), ("dogs/1.jpg", photo(2))])
    return git_project(tmp_path / "project", CHANGES)


def replace(project: Path, old: str, new: str) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def number_of_images(project: Path) -> int:
    return len((project / "data/clean/images.csv").read_text(encoding="utf-8").splitlines()) - 1


def test_images_added_to_a_folder_are_noticed_also_after_another_source(project):
    assert repro(project, "clean") == ["fetch", "clean"]
    assert repro(project, "clean") == []
    replace(project, "../photos", "../images.zip")
    assert repro(project, "clean") == ["fetch", "clean"]
    (project.parent / "photos" / "cats" / "2.jpg").write_bytes(photo(3))
    replace(project, "../images.zip", "../photos")
    assert repro(project, "clean") == ["fetch", "clean"]
    assert number_of_images(project) == 3
    shutil.rmtree(project.parent / "photos")
    assert repro(project, "--allow-missing", "clean") == []


def test_server_of_a_url_is_not_asked_when_nothing_changed(project, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PAWPRINT_MIRROR": ""}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"url: http://127.0.0.1:{server.server_port}/images.zip\n"
        (project / "photos.yaml").write_text(url, encoding="utf-8")
        replace(project, "source: ../photos", "source: photos.yaml")
        assert repro(project, "fetch", **cache) == ["fetch"]
        server.shutdown()
    assert repro(project, "fetch") == []
    assert repro(project, "--force", "fetch", **cache) == ["fetch"]  # from the user's cache


@pytest.mark.slow
def test_experiments_take_another_folder_and_queued_ones_the_same(project):
    others = project.parent / "others"
    shutil.copytree(project.parent / "photos", others)
    (others / "cats" / "2.jpg").write_bytes(photo(3))
    assert repro(project, "clean")
    for command in (("add", "-A"), ("commit", "-qm", "Run")):
        assert run("git", *command, cwd=project).returncode == 0
    sources = (
        ("--temp", "--allow-missing", "-S", "clean.rule=jfif"),
        ("--temp", "-S", f"fetch.source={others}"),
        ("-S", "fetch.source=../others"),
    )
    for options in sources:
        result = run("dvc", "exp", "run", *options, "clean", cwd=project)
        assert result.returncode == 0, result.stdout + result.stderr
    assert number_of_images(project) == 3


def test_unknown_section_is_refused_though_no_other_stage_has_to_run(project):
    """Of the report, which comes last, only the params are needed here."""
    dvc_yaml = project / "dvc.yaml"
    stage = dvc_yaml.read_text(encoding="utf-8").split("  report:\n")[1]
    params = next(line for line in stage.splitlines() if "params:" in line)
    command = "python -c 'from pawprint.core.params.whole import load_params; load_params()'"
    report = f"stages:\n  report:\n    cmd: {command}\n{params}\n"
    dvc_yaml.write_text(report, encoding="utf-8")
    assert repro(project) == ["report"]
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    assert repro(project) == []
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("backbone: ResNet50\n")
    result = run("dvc", "repro", cwd=project)
    assert result.returncode
    assert "params.yaml: backbone: unknown key." in result.stderr
