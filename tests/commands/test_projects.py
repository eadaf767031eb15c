"""Test `pawprint init` and `pawprint upgrade` from an installed wheel, outside the repository."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import (
    PROJECT,
    as_installed,
    change,
    commit,
    encode,
    photos_of,
    replace,
    set_author,
    succeed,
    write_files,
)
from installed import Installed
from PIL import Image

from pawprint.files import pack
from pawprint.yaml_file import read_yaml


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("given") / "photos"
    return write_files(folder, photos_of(["cat/0.jpg", "dog/1.jpg", "cat/2.jpg", "dog/3.jpg"]))


@pytest.fixture(scope="module")
def made(installed, photos, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    installed.succeed("pawprint", "init", "animals", "--images", str(photos), cwd=folder)
    set_author(folder / "animals")
    return folder / "animals"


@pytest.fixture
def project(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "animals", symlinks=True)


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_init_writes_a_project_whose_photos_dvc_tracks_and_which_names_the_package(
    installed, project, photos
):
    commit(project, "New")
    assert listing(project / "photos") == listing(photos)
    assert read_yaml(project / "params.yaml")["fetch"] == {"source": "photos"}
    assert read_yaml(project / "params.yaml")["clean"]["labels"] == "auto"
    assert succeed("git", "status", "--short", cwd=project) == ""
    lock = (project / "requirements.txt").read_text()
    # The wheel only exists on this computer.
    assert lock.startswith("# pawprint-dvc ") and "file:" not in lock
    versions = (PROJECT / "requirements.txt").read_text()
    either = f"{versions}{as_installed(versions)}".splitlines()
    pins = {line.partition(" ;")[0] for line in lock.splitlines() if "==" in line}
    assert pins < {line.partition(" ;")[0] for line in either}
    assert any(pin.startswith("numpy==") for pin in pins)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_name_of_a_photo_that_is_not_utf_8_is_shown_by_init_and_by_code(
    installed, photos, tmp_path
):
    source = shutil.copytree(photos, tmp_path / "given")
    wrong = source / "cat" / os.fsdecode(b"caf\xe9.jpg")
    command = ("pawprint", "init", "animals", "--images", "given", "--outside")
    installed.succeed(*command, cwd=tmp_path)
    wrong.touch()
    repro = installed.run("dvc", "repro", cwd=tmp_path / "animals")
    shutil.rmtree(tmp_path / "animals")
    for result in (repro, installed.run(*command, cwd=tmp_path)):
        assert result.returncode and "cat/caf\\udce9.jpg: expected a name in UTF-8" in result.stderr


def test_recipe_brings_its_params_and_the_address_of_its_images(installed, tmp_path):
    installed.succeed("pawprint", "init", "cats", "--recipe", "filtered-160", cwd=tmp_path)
    params = read_yaml(tmp_path / "cats" / "params.yaml")
    assert params["model"]["image_size"] == 160
    assert "url" in read_yaml(tmp_path / "cats" / params["fetch"]["source"])


def test_long_images_are_stretched_as_the_middle_square_leaves_much_out(installed, tmp_path):
    names = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(3)]
    contents = [(name, encode(Image.new("RGB", (90, 45)), "PNG")) for name in names]
    pack(tmp_path / "long.zip", [*contents, ("cat/broken.png", b"no image")])
    said = installed.succeed("pawprint", "init", "tiles", "--images", "long.zip", cwd=tmp_path)
    assert read_yaml(tmp_path / "tiles" / "params.yaml")["model"]["resize"] == "stretch"
    assert "stretch" in said and "50%" in said


def upgraded(installed: Installed, project: Path) -> dict[str, str]:
    """Return the lines of `pawprint upgrade` by their first word; a second call changes nothing."""
    before = succeed("git", "log", "--oneline", cwd=project)
    lines = installed.succeed("pawprint", "upgrade", cwd=project).splitlines()
    status = succeed("git", "diff", cwd=project), listing(project)
    installed.succeed("pawprint", "upgrade", cwd=project)
    assert status == (succeed("git", "diff", cwd=project), listing(project))
    assert before == succeed("git", "log", "--oneline", cwd=project)
    return {line.split(": ")[1]: line for line in lines}


DATE = "null  # name of a column of metadata.csv with dates; the latest images are the test set"


@pytest.fixture(scope="module")
def newer(tmp_path_factory) -> Installed:
    """Return a later version of the package."""
    return Installed(tmp_path_factory.mktemp("newer")).create(
        ("pyproject.toml", 'version = "', 'version = "9.'),
        ("dvc.yaml", "desc: Bring the images", "desc: Pack the images"),
        ("params.yaml", "  seed: 1  # random seed; change", "  seed: 2  # another; change"),
        ("params.yaml", "\nsplit:\n", "\nsplit:\n  columns: 4  # of photos\n"),
        ("params.yaml", f"  date: {DATE}\n", ""),
        ("pawprint/params/data.py", "    date: Annotated[str, Field(min_length=1)] | None\n", ""),
        (".dvc/plots/roc.json", "{", "{\n"),
    )


MINE = {
    "dvc.yaml": "\n# ours\n",
    "params.yaml": "# ours\n",
    ".gitignore": "/ours\n",
    "requirements.txt": "# ours\n-e ../tools\nour-tools==1.0\n",
    "README.md": "Ours\n",
}


def edit(project: Path) -> None:
    """Edit the files of a project as a user would."""
    for name, text in MINE.items():
        with (project / name).open("a") as file:
            file.write(text)
    change(project, "{train_finetune: {epochs: {number: 7}}, fetch: {source: photos/part}}")
    replace(project / "dvc.yaml", "stages:\n", "stages:\n  ours:\n    cmd: echo ours\n\n")


def test_upgrade_merges_its_changes_into_those_of_the_user(newer, project):
    edit(project)
    commit(project, "Ours")
    lines = upgraded(newer, project)
    texts = {name: (project / name).read_text() for name in MINE}
    assert {*MINE, ".dvc/plots/roc.json"} - {"README.md", ".gitignore"} <= {*lines}
    assert "README.md" not in lines and not list(project.glob("*.new"))
    split = read_yaml(project / "params.yaml")["split"]
    assert (split["columns"], split["seed"]) == (4, 1) and "date" not in split
    assert all(text.endswith(MINE[name]) for name, text in texts.items() if name[0] != ".")
    assert "Pack the images" in texts["dvc.yaml"] and "cmd: echo ours" in texts["dvc.yaml"]
    assert {"/photos", "/photos/part", "/ours"} <= set(texts[".gitignore"].splitlines())
    assert texts["requirements.txt"].startswith("# pawprint-dvc 9.")
    assert "number: 7" in texts["params.yaml"] and "columns: 4" in texts["params.yaml"]


def test_upgrade_keeps_a_file_in_conflict(newer, project):
    edit(project)
    replace(project / "dvc.yaml", "desc: Bring the images", "desc: Ours: the images")
    commit(project, "Ours")
    before = (project / "dvc.yaml").read_text()
    lines = upgraded(newer, project)
    assert "dvc.yaml.new" in lines["dvc.yaml"]
    assert (project / "dvc.yaml").read_text() == before
    assert "Pack the images" in (project / "dvc.yaml.new").read_text()
    assert "/ours" in (project / ".gitignore").read_text().splitlines()
    assert "our-tools==1.0" in (project / "requirements.txt").read_text()


def test_outside_of_a_project_upgrade_is_one_line_and_no_command_is_help(installed, tmp_path):
    assert "  upgrade " in installed.succeed("pawprint", cwd=tmp_path)
    result = installed.run("pawprint", "upgrade", cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "pawprint init" in result.stderr


def test_pipeline_without_what_a_stage_of_the_package_reads_is_refused(installed, project):
    replace(project / "dvc.yaml", "data/raw/archives, labels.csv", "labels.csv")
    result = installed.run("dvc", "repro", "code", cwd=project)
    assert "dvc.yaml: stages.clean.deps: expected data/raw/archives" in result.stderr
