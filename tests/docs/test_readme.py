"""Test that README's commands work with the installed package, and what follows later.

The commands in docs/after-deployment.md are also run, which completes the cycle.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import (
    PROJECT,
    SAMPLE_WEIGHTS,
    change,
    clone,
    replace,
    set_author,
    succeed,
    write_files,
)
from installed import NO_NETWORK, SMALL, Installed
from pages import blocks, commands

from pawprint import paths
from pawprint.columns import SPLIT
from pawprint.decoding.decoder import pixels_sha256
from pawprint.images.archive import open_archive, read_member
from pawprint.images.reading import decode
from pawprint.recipes.demo import draw_picture
from pawprint.tables import read_table

MONTH = (PROJECT / "docs" / "after-deployment.md").read_text(encoding="utf-8")
PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
NOT_RUN = ("git clone ", "make ", "python3 -m venv ", ". .venv/", "pip install ", "cd ..")
REMOTE = "/mnt/team/food"
PREDICT = "pawprint predict PHOTO.jpg"
COMMANDS = [
    command
    for language, text in blocks(PAGE)
    if language == "console"
    for command, _ in commands(text)
    if not command.startswith(NOT_RUN)
]


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
    (root / "PHOTO.jpg").write_bytes(draw_picture("dog", 11))
    write_files(root / "given" / "photos", drawn(1, 17))
    write_files(root / "given" / "new", drawn(17, 18))
    folder, ran = root, []
    for command in COMMANDS:
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
            set_author(folder)
            shutil.copy(SAMPLE_WEIGHTS, folder)
            change(folder, SMALL)
            continue
        if command == "dvc repro" and ran[-1].startswith("pawprint try"):
            change(folder, "calibrate: {temperature: false}")
        if command == "pawprint discard":  # `discard` asks for confirmation
            command += " --yes"
        command = command.replace(REMOTE, (root / "remote").as_posix())
        away = NO_NETWORK | {"KERAS_HOME": str(root / "keras")}
        place = root if command == PREDICT else folder  # it is for any folder
        installed.succeed("sh", "-c", command, cwd=place, **away)
        ran.append(command)
    assert ran.count("dvc repro") == 2
    shutil.rmtree(root / "given")
    return folder


@pytest.fixture
def project(installed, finished) -> Iterator[Path]:
    """Return the project as it was committed."""
    yield finished
    succeed("git", "checkout", "-q", ".", cwd=finished)
    succeed("git", "clean", "-fdq", cwd=finished)
    installed.succeed("dvc", "checkout", "-q", cwd=finished)


def status(project: Path) -> str:
    return succeed("git", "status", "--short", cwd=project)


@pytest.mark.slow
def test_second_run_computes_nothing_and_leaves_nothing_to_commit(installed, project):
    assert status(project) == ""
    assert installed.repro(project) == []
    assert status(project) == ""
    installed.succeed("pawprint", "check", cwd=project)


@pytest.mark.slow
def test_colleague_runs_a_changed_param_without_the_photos_of_the_author(installed, project):
    colleague = clone(project, "colleague")
    installed.succeed("dvc", "pull", "models/served", cwd=colleague)
    installed.succeed("pawprint", "predict", "../PHOTO.jpg", cwd=colleague)
    installed.succeed("dvc", "pull", cwd=colleague)
    assert installed.repro(colleague) == []
    change(colleague, "calibrate: {unknown_quantile: 0.9}")
    assert installed.repro(colleague) == ["evaluate", "plot"]
    assert " D " not in status(colleague)


NOTHING = [
    ("pawprint/decoding/decoder.py", '"""Decode image files and', '"""Decode images and'),
    # The project keeps its own value.
    ("params.yaml", "  unknown_quantile: 0.995 ", "  unknown_quantile: 0.9 "),
]
COLOUR = [("pawprint/reports/drawing.py", '"#0072B2"', '"#0072B3"')]


@pytest.mark.slow
def test_upgrade_runs_the_stages_that_it_changes(project, tmp_path):
    newer = Installed(tmp_path / "newer").create(*NOTHING)
    for edits, ran in (((), []), (COLOUR, ["split", "plot"])):
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
    result = installed.run("dvc", "repro", cwd=project)
    assert "dvc.yaml: stages.plot.cmd: expected a command that runs stages/plot.py" in result.stderr
    for name, old, new in (
        ("dvc.yaml", "python -P -m pawprint.stages.plot", "python -m stages.plot"),
        ("stages/plot.py", "Open {paths", "See {paths"),
    ):
        replace(project / name, old, new)
        assert installed.repro(project)[:1] == ["plot"]
    assert installed.repro(project) == []


def label_all(folder: Path) -> int:
    """Label the photos in ../may.csv in the app by their names; return how many were requested."""
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        from pawprint.app.page_label import show

        show()

    with contextlib.chdir(folder):
        page = AppTest.from_function(script, default_timeout=60)
        page.session_state["label-part"] = "New images"
        page.run()
        page.text_input[0].set_value("../may.csv")
        next(button for button in page.button if button.label == "Start").click().run()
        source = page.session_state["folder"]
        images = source.pool.others
        for image in images:
            source.give([image], Path(image[0]).name.split(" ")[0])
    return len(images)


@pytest.mark.slow
def test_every_command_of_a_month_works_and_its_photos_are_trained_with(
    installed, project, tmp_path
):
    pytest.importorskip("streamlit", reason="Streamlit is not installed")
    folder = shutil.copytree(project.parent, tmp_path / "month", symlinks=True)
    may = {Path(name).name: data for name, data in drawn(31, 36).items()}
    write_files(folder / "may", may)
    write_files(folder / "june", {Path(n).name: data for n, data in drawn(41, 43).items()})
    write_files(folder / "may_labelled", drawn(36, 38))
    food = folder / "food"
    before = read_table(food / paths.SPLIT_CSV, SPLIT)
    images = 0  # images that the app asked about
    for language, text in blocks(MONTH):
        assert language == "console"
        for command, _ in commands(text):
            if command.startswith("cd "):
                folder /= command.removeprefix("cd ")
            elif command == "pawprint app":
                images = label_all(folder)
            else:
                result = installed.run("sh", "-c", command, cwd=folder)
                assert result.returncode in ((0, 3) if "--fail" in command else (0,)), (
                    command + result.stdout + result.stderr
                )
    assert images > 1
    after = read_table(food / paths.SPLIT_CSV, SPLIT)
    both = before.merge(after, on="pixels_sha256", suffixes=("", "_after"))
    assert len(both) == len(before) == len(after) - images
    assert (both["split"] == both["split_after"]).all()
    names = {
        pixels_sha256(decode((tmp_path / "month/may" / name).read_bytes())): name for name in may
    }
    new = after[after["pixels_sha256"].isin(names)]
    assert len(new) == images
    assert (new["label"] == new["pixels_sha256"].map(names).str.split(" ").str[0]).all()
    assert set(new["split"]) == {"train"}
    # Check the gate for a pull request that adds data, in a clone without data.
    request = clone(food, "request")
    assert installed.succeed("pawprint", "compare", "--gate", "HEAD~1", cwd=request)
    # Correcting wrong labels later does not move any image.
    wrong = after.query("label == 'dog' and split == 'train'")["path"][:9]
    corrections = "".join(f"{path},cat\n" for path in wrong)
    (food / paths.LABELS_CSV).write_text(f"path,label\n{corrections}", encoding="utf-8")
    installed.succeed("dvc", "repro", "split", cwd=food)
    again = read_table(food / paths.SPLIT_CSV, SPLIT)
    both = after.merge(again, on="pixels_sha256", suffixes=("", "_again"))
    assert len(both) == len(after) == len(again)
    assert (both["label"] != both["label_again"]).sum() == len(wrong)
    assert (both["split"] == both["split_again"]).all()
