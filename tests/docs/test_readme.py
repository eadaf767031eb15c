"""Test that the pages' commands work with the installed package, and what follows later."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import (
    PROJECT,
    commit,
    replace,
    succeed,
    write_files,
)
from installed import NO_NETWORK, SMALL, Installed
from pages import blocks, commands, follow

from examples.demo import draw_picture
from pawprint.base.files import md5_of_folder
from pawprint.base.paths import IMAGES_CSV, RAW_ARCHIVES, SERVED_MODEL
from pawprint.base.yaml_file import read_yaml
from pawprint.given.archive import open_archive, read_member

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
NOT_RUN = ("make ", "python3 -m venv ", ". .venv/", "pip install ", "cd ..")
REMOTE = "/mnt/team/food"


def typed(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a page or a section that are run, with the lines below them."""
    consoles = (block for language, block in blocks(text) if language == "console")
    both = (step for block in consoles for step in commands(block))
    return [step for step in both if not step[0].startswith(NOT_RUN)]


COMMANDS = typed(PAGE)
# Not typed: servers (app, use), a cluster and a script of the clone (costs), a download (install).
# Boxes, several labels and the tutorial have their own tests.
ELSEWHERE = re.compile("app|boxes|costs|install|several-labels|tutorial|use### A service")
SECTIONS = {
    name: typed(section)
    for page in sorted((PROJECT / "docs").glob("*.md"))
    for section in re.split(r"^(?=##)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not ELSEWHERE.match(name := page.stem + section.partition("\n")[0]) and typed(section)
}


@pytest.mark.skipif(not shutil.which("make"), reason="Make is not installed")
def test_readme_names_two_commands_that_do_all_the_set_up(tmp_path):
    copied = ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt")
    write_files(tmp_path, {name: (PROJECT / name).read_bytes() for name in copied})
    for command, runs in (("make demo", "examples/demo.py"), ("make test", "-m pytest")):
        assert f"\n$ {command}\n" in PAGE and f"`{command}` runs" in PAGE
        steps = succeed(*command.split(), "--dry-run", cwd=tmp_path)
        # The environment of README's other commands, `.venv`, stays as it is.
        assert "-m venv build/venv" in steps and ".venv" not in steps
        assert "install" in steps and runs in steps


@pytest.mark.skipif(not shutil.which("make"), reason="Make is not installed")
@pytest.mark.parametrize("target", ["test", "test-plain"])
def test_make_runs_python_where_windows_has_it(target):
    steps = succeed("make", target, "OS=Windows_NT", "--dry-run", cwd=PROJECT)
    assert "Scripts/python -m pytest" in steps and "/bin/" not in steps


def test_package_is_imported_next_to_the_clone(installed, tmp_path):
    (clone,) = re.findall(r"^\$ pip install -e \./(.+)$", PAGE, re.MULTILINE)
    write_files(tmp_path / clone, {"pawprint/__init__.py": "", "stages/__init__.py": ""})
    installed.succeed("python", "-c", "import pawprint; pawprint.load()", cwd=tmp_path)


def test_model_of_the_package_labels_photos(mirror, installed, tmp_path):
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        for label in ("cat", "dog"):
            # This is not a training image.
            name = f"cats_and_dogs_filtered/validation/{label}s/{label}.2001.jpg"
            (tmp_path / f"{label}.jpg").write_bytes(read_member(archive, name))
    lines = installed.succeed("pawprint", "predict", ".", cwd=tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == ["cat", "dog"]


def drawn(first: int, last: int) -> dict[str, bytes]:
    """Return drawn cats and dogs with these numbers, by class and file."""
    return {
        f"{label}/{label} {number}.jpg": draw_picture(label, number)
        for label in ("cat", "dog")
        for number in range(first, last)
    }


@pytest.fixture(scope="module")
def finished(installed, tmp_path_factory) -> Path:
    """Return the project after all commands. The photos that it was made from are gone."""
    root = tmp_path_factory.mktemp("readme")
    write_files(root / "given" / "photos", drawn(1, 17))
    write_files(root / "given" / "new", drawn(17, 18))
    away = NO_NETWORK | {"KERAS_HOME": str(root / "keras")}
    printed = {}
    for command, _, folder in follow(COMMANDS, root, {"food": SMALL}):
        command = command.replace(REMOTE, (root / "remote").as_posix())
        printed[command] = installed.succeed("sh", "-c", command, cwd=folder, **away)
    assert "loss" in printed["dvc metrics diff"]  # that is, `dvc exp run` changes the run
    shutil.rmtree(root / "given")
    origin = str(root / "food.git")
    succeed("git", "clone", "-q", "--bare", str(folder), origin, cwd=root)
    succeed("git", "remote", "add", "origin", origin, cwd=folder)
    return folder


@pytest.fixture
def project(installed, finished) -> Iterator[Path]:
    """Return the project as it was committed."""
    start = succeed("git", "rev-parse", "HEAD", cwd=finished).strip()
    yield finished
    succeed("git", "reset", "-q", "--hard", start, cwd=finished)
    succeed("git", "clean", "-fdq", cwd=finished)
    shutil.rmtree(finished / "stages", ignore_errors=True)  # with compiled modules
    installed.succeed("dvc", "checkout", "-q", "-f", cwd=finished)


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_commands_of_every_page_work_in_a_new_project(installed, project, tmp_path, section):
    typed_here = [command for command, _ in SECTIONS[section]]
    if "git merge other" in typed_here:  # branches with results that Git cannot merge
        for branch in (("-b", "other"), ("-",)):
            succeed("git", "checkout", "-q", *branch, cwd=project)
            with (project / "dvc.lock").open("a", encoding="utf-8") as lock:
                lock.write(f"# {branch}\n")
            commit(project, "Results")
    write_files(tmp_path / "registry" / "photos", drawn(1, 3))
    write_files(tmp_path / "flower_photos", drawn(1, 17))
    write_files(project.parent / "may_labelled", drawn(20, 22))
    start = tmp_path if {"cd food", "cd flowers"} & {*typed_here} else project
    for command, _, folder in follow(SECTIONS[section], start, {}):
        command = re.sub(r"git@host:team/\w+\.git", str(project.parent / "food.git"), command)
        command = command.replace("git merge other", "git merge other || true")
        shell = ("sh", "-c", command.replace("dvc exp show", "dvc exp show --csv"))
        printed = installed.succeed(*shell, cwd=folder, GIT_EDITOR="true", **NO_NETWORK)
        assert "identical" not in printed
        if command.startswith("dvc exp show"):
            header, *rows = (line.split(",") for line in printed.split())
            names = {name.rpartition(":")[2].rpartition(".")[2] for name in header}
            assert names >= {"cross_validated_loss", "loss", "resize", "image_size"}
            # One of the rows is the workspace, with the first experiment.
            assert len({row[1] for row in rows}) == len(rows) - 1 >= 4


@pytest.mark.slow
def test_stages_run_one_after_another_by_hand_write_the_same(installed, project):
    outs = [project / out for out in (RAW_ARCHIVES, IMAGES_CSV.parent, SERVED_MODEL)]
    before = [*map(md5_of_folder, outs)]
    for folder in ("data", "metrics", "models", "plots"):
        shutil.rmtree(project / folder)
    for stage in read_yaml(project / "dvc.yaml")["stages"].values():
        installed.succeed("sh", "-c", stage["cmd"], cwd=project)
    assert [*map(md5_of_folder, outs)] == before
    assert status(project) == ""


def status(project: Path) -> str:
    return succeed("git", "status", "--short", cwd=project)


@pytest.mark.slow
def test_second_run_computes_nothing_and_leaves_nothing_to_commit(installed, project):
    assert status(project) == ""
    assert installed.repro(project) == []
    assert status(project) == ""
    installed.succeed("pawprint", "check", cwd=project)


NOTHING = [
    ("pawprint/given/decoding/decoder.py", '"""Decode image files and', '"""Decode images and'),
    # The project keeps its own value.
    ("params.yaml", "  unknown_quantile: 0.995 ", "  unknown_quantile: 0.9 "),
]
COLOUR = [("pawprint/report/charts.py", "LEAST = 0.1", "LEAST = 0.2")]


@pytest.mark.slow
def test_renewal_runs_the_stages_that_it_changes(project, tmp_path):
    newer = Installed(tmp_path / "newer").create(*NOTHING)
    for edits, ran in (((), []), (COLOUR, ["plot"])):
        if edits:
            newer.install(*edits)
        newer.succeed("pawprint", "init", "--renew", cwd=project)
        assert set(succeed("git", "diff", "--name-only", cwd=project).split()) <= {"dvc.lock"}
        assert newer.repro(project) == ran


@pytest.mark.slow
def test_own_stage_takes_the_place_of_the_packages_and_is_fingerprinted(installed, project):
    (project / "stages").mkdir()
    for name in ("__init__.py", "plot.py"):
        shutil.copy(PROJECT / "stages" / name, project / "stages")
    refused = installed.run("dvc", "repro", cwd=project)
    assert "stages.plot.cmd: expected a command that runs stages/plot.py" in refused.stderr
    for name, old, new in (
        ("dvc.yaml", "python -P -m pawprint.stages.plot", "python -m stages.plot"),
        ("stages/plot.py", "Open {paths", "See {paths"),
    ):
        replace(project / name, old, new)
        assert installed.repro(project)[:1] == ["plot"]
    assert installed.repro(project) == []
