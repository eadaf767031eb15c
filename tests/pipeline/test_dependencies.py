"""`dvc.yaml` lists what each stage reads, writes and imports: no file less, no file more.

A file that a stage reads but does not list would leave stale results behind in silence. So each
stage runs for real, on small data,
- under an audit hook that writes down every file of the project that it opens, modules included;
- in a folder that holds nothing but its dependencies, with other values for all params that it
  does not list: its outputs must be the same bytes. This also holds readers in C and C++, which the
  hook does not see;
- without one of its dependencies at a time: it must fail or write something else.

On failure the list of dependencies is printed as dvc.yaml should have it.
"""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from changed_params import WEIGHTS, changed_values
from code_graph import closure, room
from conftest import PROJECT, SAMPLE_WEIGHTS, git_project, repro, run
from dvc_yaml import OUTPUTS, STAGES, params_of

from recipes.overlay import overlay
from recipes.sample.drawings import write_archive

RECORDER = Path(__file__).parent / "recorder"
# Every stage checks the whole file; DVC follows the keys that are listed.
PARAMS = "params.yaml"
CODE = ("pawprint/", "stages/")
# Where `features` looks for rows that were computed before. It believes none that is damaged or of
# another image or network, so what it finds there changes no byte of its outputs.
COMPUTED_BEFORE = {"features": {".dvc/tmp/pawprint", ".dvc/cache/files", "dvc.lock", ".dvc/config"}}
# `.images.part.csv`, under which images.csv is written; see pawprint/core/files.py.
TEMPORARY = re.compile(r"\.([^/]+)\.part[^/]*?(\.[^/.]+)?(?=/|$)")
# Of two params that exclude each other both differ from CHANGED.
SMALL = f"""
fetch: {{source: ../images.zip, watch: ../images.zip}}
weights: {{source: ../mirror/{WEIGHTS.format("0.35_96")}}}
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
    (folder / "mirror").mkdir()
    shutil.copy(SAMPLE_WEIGHTS, folder / "mirror" / WEIGHTS.format("0.35_96"))
    (folder / "records").mkdir()
    project = git_project(folder / "project", SMALL)
    assert sorted(repro(project, **recording(folder / "records"))) == sorted(STAGES)
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


def as_listed(path: str) -> str:
    """What dvc.yaml lists for a file: a room, an output of a stage, or the file itself."""
    for output in set().union(*OUTPUTS.values()):
        if is_within(path, {output}):
            return output
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else path


def rooms(stage: str) -> set[str]:
    """The stage's script and the rooms that it imports, also where that is done later."""
    script = PROJECT / "stages" / f"{stage}.py"
    found = {room(path) for path in closure(script)} - {"stages"}
    return found | {f"stages/{stage}.py"}


def correct_deps(stage: str, read: set[str]) -> str:
    """For dvc.yaml: what was opened or is imported, and listed data that a reader in C may open."""
    listed = {dep for dep in STAGES[stage]["deps"] if not dep.startswith(CODE)}
    deps = {as_listed(path) for path in read} | rooms(stage) | listed
    ordered = sorted(deps, key=lambda dep: (dep.startswith("pawprint/"), dep.startswith(CODE), dep))
    return "\n".join([f"{stage}:", "    deps:", *(f"      - {dep}" for dep in ordered)])


def surprises(stage: str, record: Path) -> set[str]:
    """Files that a stage opened, but does not list."""
    read, written = opened(record)
    read -= {PARAMS}
    before = COMPUTED_BEFORE.get(stage, set())
    deps, outputs = set(STAGES[stage]["deps"]) | before, OUTPUTS[stage] | before
    found = {path for path in read if not is_within(path, deps)}
    return found | {path for path in written if not is_within(path, outputs)}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_opens_only_what_it_lists(project, stage):
    record = project.parent / "records" / f"{stage}.txt"
    assert f"stages/{stage}.py" in opened(record)[0]
    assert not surprises(stage, record), correct_deps(stage, opened(record)[0] - {PARAMS})


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_a_stage_lists_is_the_rooms_that_it_imports(stage):
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith(CODE)}
    assert listed == rooms(stage), correct_deps(stage, set())


def test_map_is_short():
    assert len((PROJECT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) < 300
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"python -m stages.{name}"
        rooms_listed = [dep for dep in stage["deps"] if dep.startswith("pawprint/")]
        assert len(rooms_listed) <= 6, f"{name} depends on {rooms_listed}"


READS_README = (
    "\nfrom pathlib import Path\nPath(__file__).parents[2].joinpath('README.md').read_bytes()\n"
)
WRITES_NOTES = "\nPath('notes.txt').write_text('')\n"


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("pawprint/core/files.py", READS_README, "README.md"),
        ("pawprint/core/files.py", WRITES_NOTES, "notes.txt"),
        ("pawprint/__init__.py", "", "pawprint/__init__.py"),
        ("stages/__init__.py", "", "stages/__init__.py"),
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
    assert surprises("preview", tmp_path / "preview.txt") == {found}


def with_dependencies_only(project: Path, stage: str, folder: Path) -> Path:
    """A new folder with what a stage lists, and params.yaml."""
    for name in {PARAMS, *STAGES[stage]["deps"]}:
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
# Needed for other sources of weights than the file of this run.
UNUSED_HERE = {"fetch_weights": ["pawprint/network"]}


@pytest.mark.parametrize(
    "stage",
    [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in STAGES if name not in FAST)],
)
def test_stage_needs_all_that_it_lists_and_nothing_else(project, tmp_path, stage):
    alone = with_dependencies_only(project, stage, tmp_path / "project")
    shutil.copy(project.parent / "images.zip", tmp_path)
    shutil.copytree(project.parent / "mirror", tmp_path / "mirror")
    params = other_values_for_all_but(project, params_of(STAGES[stage]))
    (alone / PARAMS).write_text(params, encoding="utf-8")
    result = run_stage(alone, stage)
    assert result.returncode == 0, result.stderr
    assert outputs(alone, stage) == outputs(project, stage)
    listed = set(STAGES[stage]["deps"]) - set(UNUSED_HERE.get(stage, []))
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
