import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from examples.demo import draw_dataset, dvc_environment, write_archive
from pawprint.__main__ import main
from pawprint.base.errors import InputError
from pawprint.base.files import pack
from pawprint.base.labels import ONE_CLASS, LabelKind
from pawprint.commands.params_file import flat, set_values
from pawprint.data.cleaning import clean
from pawprint.data.labels import apply_labels
from pawprint.given.archive import members, open_archive
from pawprint.given.folders import find_layout
from pawprint.given.metadata_csv import read_metadata_csv
from pawprint.given.user_tables import Correction
from pawprint.pipeline.fingerprint import Code

PROJECT = Path(__file__).resolve().parent.parent
SAMPLE_WEIGHTS = PROJECT / "pawprint" / "recipes" / "sample" / "base.h5"
CODE = Code(PROJECT)
# All modules of the project, keyed by path.
MODULES = sorted(
    path.relative_to(PROJECT).as_posix()
    for folder in ("pawprint", "stages", "examples", "bench")
    for path in (PROJECT / folder).rglob("*.py")
)
MIRROR = Path(os.environ.get("PAWPRINT_MIRROR", "../shared/mirror"))
# Who starts the tests may ignore SIGINT, as a script does in the background; no child should.
signal.signal(signal.SIGINT, signal.default_int_handler)
# No test depends on the Git and DVC settings of whoever runs them, such as signed commits.
os.environ |= {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "2",  # the owner of the project may be another one
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": PROJECT.as_posix(),
    "GIT_CONFIG_KEY_1": "safe.directory",
    "GIT_CONFIG_VALUE_1": f"{PROJECT.as_posix()}/.git",
    "DVC_GLOBAL_CONFIG_DIR": str(PROJECT / "build" / "no settings"),
    "DVC_SYSTEM_CONFIG_DIR": str(PROJECT / "build" / "no settings"),
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


SAMPLE_SHA256 = sha256(SAMPLE_WEIGHTS)
OFFLINE = f"weights: {{source: pawprint/recipes/sample/base.h5, sha256: {SAMPLE_SHA256}}}\n"
# Params for a run that takes seconds, on images.zip next to the project. Nothing is trained in
# epochs, so only the stage `backbone` starts TensorFlow.
FROZEN = """
fetch: {source: ../images.zip}
model: {image_size: 96, fine_tune_at: null}
augment: {views: 2}
"""
# The head is trained in epochs too, so that each param can be changed alone.
TINY = f"""{FROZEN.replace(", fine_tune_at: null", "")}
train_extract: {{epochs: {{number: 3, keep_best: false}}}}
train_finetune: {{epochs: {{number: 3, learning_rate: 0.001, keep_best: false}}}}
"""


def encode(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


CATS_AND_DOGS = {"cat": ["cat", "cats"], "dog": ["dog", "dogs"]}
JPEG = encode(Image.linear_gradient("L").convert("RGB"))


def photo(number: int) -> bytes:
    """Return a JPEG of noise that looks different for every number."""
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    return encode(Image.fromarray(noise).resize((64, 64), Image.Resampling.NEAREST))


def photos_of(names: Iterable[str]) -> dict[str, bytes]:
    """Return a different photo for each of these names."""
    return {name: photo(number) for number, name in enumerate(names)}


def write_files(folder: Path, files: dict[str, bytes | str]) -> Path:
    """Write these files to the folder and return the folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder


def tarred(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar with these files, compressed as its suffix says, and return its path."""
    kind = path.suffix[1:]
    with tarfile.open(path, "w" if kind == "tar" else f"w:{kind}") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def copy_into(folder: Path, project: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    copy = shutil.copytree if (project / name).is_dir() else shutil.copy
    copy(project / name, folder / name)


def replace(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a file, which must contain it."""
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def clean_archive(
    path: Path,
    rule: str = "decodes",
    labels: dict[str, list[str]] | str = CATS_AND_DOGS,
    corrections: Iterable[Correction] = (),
    bits: int | None = None,
    kind: LabelKind = ONE_CLASS,
    not_asked: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Return an archive's usable images, rejected files, and why corrections are not applied."""
    with open_archive(path, bits) as archive:
        names = members(archive)
        rows = read_metadata_csv(archive, names)
        layout = find_layout(names, rows, labels, archive.filename, kind)
        return apply_labels(*clean(archive, layout, rule), [*corrections], kind, not_asked)


@pytest.fixture(scope="session")
def drawn_archive(tmp_path_factory) -> Path:
    """Return 30 drawn cats and dogs and 6 damaged files, in the layout of the published archive."""
    path = tmp_path_factory.mktemp("drawn") / "images.zip"
    write_archive(path, train=10, validation=5)
    return path


@pytest.fixture(scope="session")
def mirror() -> Path:
    if not (MIRROR / "cats_and_dogs_filtered.zip").is_file():
        pytest.skip(f"real images are not at {MIRROR}: set PAWPRINT_MIRROR")
    return MIRROR.resolve()


@pytest.fixture
def keras_home(tmp_path, monkeypatch) -> Path:
    """Return the folder in which Keras looks for weights, without a network."""
    from pawprint.network.hardware import keras

    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))  # read on import
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:9")
    return tmp_path


def users_python() -> list[str]:
    """Return a Python command for which permissions apply, unlike for root."""
    if os.geteuid():
        return [sys.executable]
    if not shutil.which("setpriv"):
        pytest.skip("root without setpriv")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable]


def line_of(*parts: str) -> str:
    """Return a pattern for one line that contains these parts in order."""
    anything = r"[^\n]*"
    return rf"\A{anything}{anything.join(map(re.escape, parts))}{anything}\Z"


def refused(*parts: str):
    """Expect an InputError with a single line that contains these parts in order."""
    return pytest.raises(InputError, match=line_of(*parts))


def environment_with(**changes: str) -> dict[str, str]:
    """Return the environment of a user whose `python` is this one."""
    return dvc_environment() | changes


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a command as a user would, with stdout and stderr as text."""
    changed = environment_with(**environment)
    # Windows ignores the given PATH and searches this process's folder and PATH.
    program = shutil.which(command[0], path=changed["PATH"]) or command[0]
    return subprocess.run(
        (program, *command[1:]),
        cwd=cwd,
        env=changed,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def succeed(*command: str, cwd: Path, **environment: str) -> str:
    """Run a command, which must succeed, and return what it prints."""
    result = run(*command, cwd=cwd, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def pawprint(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a command of this project in a folder that need not contain its code."""
    environment = {"PYTHONPATH": str(PROJECT)} | environment
    return run("python", "-m", "pawprint", *arguments, cwd=folder, **environment)


def pawprint_here(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Return the same as `pawprint` without a new process, which would take seconds to import."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()) as errors,
        contextlib.chdir(folder),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("sys.argv", ["pawprint", *arguments])
        try:
            status = main() or 0
        except InputError as error:
            status = 1
            print(error, file=errors)
        out.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), errors.getvalue())


def printed(folder: Path, *arguments: str, command=pawprint_here) -> str:
    """Run a command, which must succeed and print nothing on stderr, and return its output."""
    result = command(folder, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def complaint(folder: Path, *arguments: str, command=pawprint_here) -> str:
    """Run a command, which must fail with one line on stderr and no output, and return the line."""
    result = command(folder, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line


def environment_of(folder: Path, packages: list[str]) -> Path:
    """Return the Python of a new virtual environment that has these packages, as pinned."""
    succeed(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=PROJECT)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--retries", "1")
    result = run(*pip, "-c", "requirements-dev.txt", *packages, cwd=PROJECT)
    if "connection broken by" in result.stderr:
        pytest.skip(f"no connection to the package registry: {result.stderr.splitlines()[0]}")
    assert result.returncode == 0, result.stderr
    return python


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Return an environment in which the package is installed from a wheel."""
    from installed import Installed

    folder = made_once(tmp_path_factory, "installed", lambda folder: Installed(folder).create())
    return Installed(folder)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """Return a project with a committed tiny run, for tests that copy it before they change it.

    The images are next to the project, and so are the records of what each stage opened. None of
    the images is unknown.
    """
    from dependencies import recording

    def make(folder: Path) -> None:
        pack(folder / "images.zip", drawn_twice())
        project = git_project(folder / "project", FROZEN + OFFLINE)
        repro(project, **recording(folder / "records"))
        commit(project, "Tiny run")

    return made_once(tmp_path_factory, "tiny", make) / "project"


@pytest.fixture
def tiny_copy(tiny_run, tmp_path) -> Path:
    """Return a copy of the tiny run that may be changed, with the images next to it."""
    shutil.copy(tiny_run.parent / "images.zip", tmp_path)
    return shutil.copytree(tiny_run, tmp_path / "project", symlinks=True)


def share_cache(tiny_run: Path, project: Path) -> None:
    """Let DVC take from the tiny run what has the same inputs, such as what `backbone` writes."""
    shutil.copytree(tiny_run / ".dvc" / "cache", project / ".dvc" / "cache", dirs_exist_ok=True)


def drawn_twice() -> Iterator[tuple[str, bytes]]:
    """Yield drawn cats and dogs, and one of them a second time with stronger compression."""
    for name, data in draw_dataset(train=20, validation=20):
        yield name, data
        if name == "drawn/train/cats/cat.0001.jpg":
            again = Image.open(io.BytesIO(data)).convert("RGB")
            yield "drawn/train/cats/cat.again.jpg", encode(again, quality=60)


def made_once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` has filled, which all workers of a test run share.

    See "Making session-scoped fixtures execute only once" in the documentation of pytest-xdist.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker in which `make` failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def overlay(params: str, changes: str) -> str:
    """Change values in the text of params.yaml."""
    return set_values(params, flat(changes))


def change(project: Path, changes: str) -> None:
    """Change params of a project."""
    path = project / "params.yaml"
    path.write_text(overlay(path.read_text(encoding="utf-8"), changes), encoding="utf-8")


def clone(project: Path, name: str = "clone") -> Path:
    """Clone a Git repository to a folder next to it."""
    folder = project.parent / name
    succeed("git", "clone", "-q", str(project), str(folder), cwd=project.parent)
    set_author(folder)
    return folder


def git_init(folder: Path) -> None:
    succeed("git", "init", "-q", "-b", "main", cwd=folder)
    set_author(folder)


def set_author(folder: Path) -> None:
    for key, value in (("name", "Tester"), ("email", "tester@example.org")):
        succeed("git", "config", f"user.{key}", value, cwd=folder)


def commit(project: Path, message: str) -> None:
    succeed("git", "add", "-A", cwd=project)
    succeed("git", "commit", "-qm", message, cwd=project)


def repro(workspace: Path, *options: str, **environment: str) -> list[str]:
    """Run `dvc repro`, and return the stages that ran, in order, except `code`.

    The `code` stage runs after every edit of code or params.
    """
    lines = succeed("dvc", "repro", *options, cwd=workspace, **environment).splitlines()
    ran = [line.split("'")[1] for line in lines if line.startswith("Running stage")]
    return [stage for stage in ran if stage != "code"]


RESULTS = ("metrics/", "plots/", "tests/", "dvc.lock", "docs/model_card")


def as_installed(text: str) -> str:
    """Return lines such as `numpy==2.0.2` with the versions of this environment."""

    def installed(line: re.Match) -> str:
        try:
            return f"{line[1]}=={version(line[1])}"
        except PackageNotFoundError:  # package for another system
            return line[0]

    return re.sub(r"^([\w.-]+)==[^\s;]+", installed, text, flags=re.MULTILINE)


def git_project(folder: Path, changes: str) -> Path:
    """Make a separate repository with this project's code and changed params."""
    for name in succeed("git", "ls-files", cwd=PROJECT).splitlines():
        if not name.startswith(RESULTS):
            copy_into(folder, PROJECT, name)
    change(folder, changes)
    git_init(folder)
    commit(folder, "Code")
    return folder


# Each worker runs whole files. The slowest ones start first, so that none remains at the end. Of
# those that need `tiny_run`, two at once would make one of them wait.
LONGEST = (
    "tutorial readme reruns loop export dask served pipeline committed_run tutorial_notebook "
    "other_computer try scripts source recipes nothing_lost keras_backbone applications serve"
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "mirror" in item.fixturenames:  # thousands of real photos
            item.add_marker(pytest.mark.slow)
    order = {f"test_{name}": place for place, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
