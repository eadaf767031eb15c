"""What a stage opens, as its run under an audit hook wrote down, and what it lists."""

import re
import subprocess
from pathlib import Path

from conftest import CODE, copy_into, run
from dvc_yaml import OUTPUTS, STAGES

from pawprint.images.archive import open_archive
from pawprint.paths import RAW_ARCHIVES
from pawprint.pipeline.fingerprint import OURS_DECIDE_NO_BYTE

RECORDER = Path(__file__).parent / "recorder"
# Every stage checks the whole file; DVC follows the keys that dvc.yaml lists.
PARAMS = "params.yaml"
LISTS = {PARAMS, "dvc.yaml"}
# Where `features` looks for rows that were computed before. It believes none that is damaged or of
# another image or network, so what it finds there changes no byte of its outputs.
RECORDED = {".dvc/cache/files", ".dvc/config", "dvc.lock"}
COMPUTED_BEFORE = {
    "code": RECORDED,
    "fetch": RECORDED,  # of the last commit, which it names the differences from
    "clean": RECORDED,
    "split": RECORDED,  # of the last commit, as for `fetch`
    "plot": RECORDED,  # too
    "features": {*RECORDED, ".dvc/tmp/pawprint"},
}
# `.images.part.csv`, under which images.csv is written; see pawprint/files.py.
TEMPORARY = re.compile(r"\.([^/]+)\.part[^/]*?(\.[^/.]+)?(?=/|$)")


def recording(records: Path) -> dict[str, str]:
    """The environment in which stages write down what they open; modules are read as source."""
    return {"RECORD": str(records), "PYTHONPATH": str(RECORDER), "PYTHONDONTWRITEBYTECODE": "1"}


def opened(record: Path) -> tuple[set[str], set[str]]:
    """Paths that a stage has read, except what it had written before; and paths written."""
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
    """The files that the stage's fingerprint names, and those that it leaves out."""
    lines = (project / "data" / "code" / f"{stage}.txt").read_text(encoding="utf-8").splitlines()
    files = {line.split("  ")[1].partition(":")[0] for line in lines if "==" not in line}
    return files.union(*map(CODE.closure, OURS_DECIDE_NO_BYTE))


def listed(project: Path) -> set[str]:
    """The files that the list of `fetch` names with their MD5, as part of it: no other is used."""
    with open_archive(project / RAW_ARCHIVES) as archive:
        return {
            Path(archive.filename, name).relative_to(project).as_posix() for name in archive.md5s
        }


def surprises(project: Path, stage: str, record: Path) -> set[str]:
    """Files that a stage opened, but that neither dvc.yaml nor its fingerprint lists."""
    read, written = opened(record)
    before = COMPUTED_BEFORE.get(stage, set())
    deps, outputs = set(STAGES[stage]["deps"]) | before, OUTPUTS[stage] | before
    if RAW_ARCHIVES.as_posix() in deps:
        deps |= listed(project)
    code = set() if stage == "code" else modules_of(project, stage)
    # DVC removes outputs first, and no hook sees what a library in C++ wrote since.
    files = {path for path in read - LISTS - code if not is_within(path, deps | OUTPUTS[stage])}
    return files | {path for path in written if not is_within(path, outputs)}


def with_dependencies_only(project: Path, stage: str, folder: Path) -> Path:
    """A new folder with what a stage and its fingerprint list, and params.yaml."""
    code = set() if stage == "code" else modules_of(project, stage)
    for name in {PARAMS, *STAGES[stage]["deps"], *code}:
        copy_into(folder, project, name)
    return folder


def run_stage(folder: Path, stage: str, **environment: str) -> subprocess.CompletedProcess:
    return run("python", "-m", f"stages.{stage}", cwd=folder, **environment)
