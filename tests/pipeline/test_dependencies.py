"""`dvc.yaml` lists what each stage reads and writes, and its fingerprint every module it imports.

A file that a stage reads but does not list would leave stale results behind. So each stage runs for
real, on small data,
- under an audit hook that writes down every file of the project that it opens: modules are in its
  file in data/code/, all others in its dependencies;
- in a folder that holds nothing but its dependencies, with other values for all params that it
  does not list: its outputs must be the same bytes. This also holds readers in C and C++, which the
  hook does not see;
- without one of its dependencies at a time: it must fail or write something else.
"""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from changed_params import changed_values
from conftest import SAMPLE_SHA256, SAMPLE_WEIGHTS, git_project, repro, run
from dvc_yaml import OUTPUTS, SOURCE, STAGES, params_of

from recipes.overlay import overlay
from recipes.sample.drawings import write_archive

RECORDER = Path(__file__).parent / "recorder"
# Every stage checks the whole file; DVC follows the keys that are listed.
PARAMS = "params.yaml"
# Where `features` looks for rows that were computed before. It believes none that is damaged or of
# another image or network, so what it finds there changes no byte of its outputs.
RECORDED = {".dvc/cache/files", ".dvc/config", "dvc.lock"}
COMPUTED_BEFORE = {"code": RECORDED, "features": {*RECORDED, ".dvc/tmp/pawprint"}}
# `.images.part.csv`, under which images.csv is written; see pawprint/core/files.py.
TEMPORARY = re.compile(r"\.([^/]+)\.part[^/]*?(\.[^/.]+)?(?=/|$)")
# Of two params that exclude each other both differ from CHANGED.
SMALL = f"""
fetch: {{source: ../images.zip}}
weights: {{source: {SAMPLE_WEIGHTS}, sha256: {SAMPLE_SHA256}}}
model: {{image_size: 96}}
augment: {{views: 2}}
train_extract: {{epochs: 1, learning_rate_decay: cosine}}
train_finetune: {{epochs: 1}}
calibrate: {{threshold: 0.5}}
"""
CHANGED = {
    "clean.labels": {"a": ["a"], "b": ["b"]},
    "model.fine_tune_at": None,
    "train_extract.learning_rate_decay": None,
    "calibrate.threshold": None,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project in which the pipeline has run under the hook; its records are in ../records."""
    folder = tmp_path_factory.mktemp("dependencies")
    write_archive(folder / "images.zip", train=8, validation=6)
    (folder / "records").mkdir()
    project = git_project(folder / "project", SMALL)
    assert sorted(["code", *repro(project, **recording(folder / "records"))]) == sorted(STAGES)
    return project


def recording(records: Path) -> dict[str, str]:
    """The environment in which stages write down what they open; modules are read as source."""
    return {
        "RECORD": str(records),
        "PYTHONPATH": str(RECORDER),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def opened(record: Path) -> tuple[set[str], set[str]]:
    """Paths that a stage has read, but for what it had written before; and paths written."""
    read, written = set(), set()
    for line in record.read_text(encoding="utf-8").splitlines():
        kind, path = line.split(" ", 1)
        path = TEMPORARY.sub(r"\1\2", path)
        if kind == "write":
            written.add(path)
        elif path not in written:
            read.add(path)
    return read, written


def is_within(path: str, folders: set[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def modules_of(project: Path, stage: str) -> set[str]:
    """The files that the stage's fingerprint names."""
    lines = (project / "data" / "code" / f"{stage}.txt").read_text(encoding="utf-8").splitlines()
    return {line.split("  ")[1] for line in lines if "==" not in line}


def surprises(project: Path, stage: str, record: Path) -> set[str]:
    """Files that a stage opened, but that neither dvc.yaml nor its fingerprint lists."""
    read, written = opened(record)
    before = COMPUTED_BEFORE.get(stage, set())
    deps, outputs = set(STAGES[stage]["deps"]) | before, OUTPUTS[stage] | before
    code = set() if stage == "code" else modules_of(project, stage)
    found = {path for path in read - {PARAMS} - code if not is_within(path, deps)}
    return found | {path for path in written if not is_within(path, outputs)}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_opens_only_what_it_lists(project, stage):
    record = project.parent / "records" / f"{stage}.txt"
    assert f"stages/{stage}.py" in opened(record)[0]
    assert surprises(project, stage, record) == set()
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert stage == "code" or f"data/code/{stage}.txt" in STAGES[stage]["deps"]


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("pawprint/core/files.py", "\nPath('README.md').read_bytes()\n", "README.md"),
        ("pawprint/core/files.py", "\nPath('notes.txt').write_text('')\n", "notes.txt"),
        ("pawprint/__init__.py", "", "pawprint/__init__.py"),
        ("matplotlibrc", "figure.dpi: 50\n", "matplotlibrc"),
    ],
)
def test_nothing_hides_from_the_hook(project, tmp_path, file, text, found):
    """In a helper, in a package's `__init__.py`, in a configuration file of a library."""
    alone = with_dependencies_only(project, "preview", tmp_path / "alone")
    shutil.copy(project / "README.md", alone)
    with (alone / file).open("a", encoding="utf-8") as planted:
        planted.write(text)
    as_under_dvc = {"DVC_STAGE": "preview", "DVC_ROOT": str(alone)}
    result = run_stage(alone, "preview", **as_under_dvc, **recording(tmp_path))
    assert result.returncode == 0, result.stderr
    assert surprises(project, "preview", tmp_path / "preview.txt") == {found}


def with_dependencies_only(project: Path, stage: str, folder: Path) -> Path:
    """A new folder with what a stage and its fingerprint list, and params.yaml."""
    code = set() if stage == "code" else modules_of(project, stage)
    for name in {PARAMS, *STAGES[stage]["deps"], *code}:
        copy_into(folder, project, name)
    return folder


def copy_into(folder: Path, project: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    copy = shutil.copytree if (project / name).is_dir() else shutil.copy
    copy(project / name, folder / name)


def run_stage(folder: Path, stage: str, **environment: str) -> subprocess.CompletedProcess:
    return run("python", "-m", f"stages.{stage}", cwd=folder, **environment)


def outputs(folder: Path, stage: str) -> dict[str, str]:
    """SHA-256 of each file that a stage has written, by path."""
    found = {}
    for output in OUTPUTS[stage]:
        path = folder / output
        for file in [path, *path.rglob("*")]:
            if file.is_file():
                name = file.relative_to(folder).as_posix()
                found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def other_values_for_all_but(project: Path, listed: set[str]) -> str:
    """params.yaml of the run with a changed value for every param that is not listed."""
    changes: dict[str, dict] = {}
    for name, value in (changed_values(project) | CHANGED).items():
        if name not in listed:
            section, _, key = name.partition(".")
            changes.setdefault(section, {})[key] = value
    before = (project / PARAMS).read_text(encoding="utf-8")
    return overlay(before, json.dumps(changes))  # which is YAML


FAST = ["clean", "split"]
# Needed for other sources than the files of this run.
UNUSED_HERE = {"fetch": {SOURCE}}


@pytest.mark.parametrize(
    "stage",
    [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in STAGES if name not in FAST)],
)
def test_stage_needs_all_that_it_lists_and_nothing_else(project, tmp_path, stage):
    alone = with_dependencies_only(project, stage, tmp_path / "project")
    shutil.copy(project.parent / "images.zip", tmp_path)
    params = other_values_for_all_but(project, params_of(STAGES[stage]))
    (alone / PARAMS).write_text(params, encoding="utf-8")
    result = run_stage(alone, stage)
    assert result.returncode == 0, result.stderr
    assert outputs(alone, stage) == outputs(project, stage)
    for_dvc = {f"data/code/{stage}.txt"}  # no stage needs it to run
    listed = set(STAGES[stage]["deps"]) - for_dvc - UNUSED_HERE.get(stage, set())
    idle = [dep for dep in sorted(listed) if is_idle(dep, alone, stage, project)]
    assert idle == [], f"{stage} gives the same outputs without them"


def is_idle(dep: str, folder: Path, stage: str, project: Path) -> bool:
    """Whether a stage gives the outputs of the project without one of its dependencies."""
    for path in OUTPUTS[stage] | {dep}:
        remove(folder / path)
    result = run_stage(folder, stage)
    remove(folder / dep)  # such as an empty folder that Python made for its cache
    copy_into(folder, project, dep)
    return result.returncode == 0 and outputs(folder, stage) == outputs(project, stage)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
