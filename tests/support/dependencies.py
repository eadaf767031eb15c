"""Compare the files that a stage opens, recorded by an audit hook, with those that it lists."""

import re
from pathlib import Path

from conftest import CODE, PROJECT, SAMPLE_WEIGHTS, copy_into
from dvc_yaml import OUTPUTS, STAGES

from pawprint.base.paths import FINGERPRINTS, RAW_ARCHIVES
from pawprint.given.archive import open_archive
from pawprint.pipeline.fingerprint import DECIDE_NO_BYTE

RECORDER = Path(__file__).parent / "recorder"
# Every stage checks the whole file, but DVC only tracks the keys listed in dvc.yaml. Among them is
# the hash of the weights.
PARAMS = "params.yaml"
LISTS = {PARAMS, "dvc.yaml", SAMPLE_WEIGHTS.relative_to(PROJECT).as_posix()}
# Files with previously computed rows. `features` rejects rows that are damaged or belong to another
# image or network, so these files do not affect its outputs.
RECORDED = {".dvc/cache/files", ".dvc/config", "dvc.lock"}
COMPUTED_BEFORE = {
    "code": {*RECORDED, FINGERPRINTS.as_posix()},
    "fetch": RECORDED,  # the last commit's files, for comparing images
    "clean": RECORDED,
    "split": RECORDED,  # the last commit's files, as for `fetch`
    "plot": {*RECORDED, "data/code"},  # and the code that has changed since then
    "features": {*RECORDED, ".dvc/tmp/pawprint"},
}
# Temporary names such as `.images.part.csv` for images.csv; see pawprint/base/files.py.
TEMPORARY = re.compile(r"\.([^/]+)\.part[^/]*?(\.[^/.]+)?(?=/|$)")
# A module that Python has compiled before, such as `__pycache__/git.cpython-313.pyc` of git.py.
COMPILED = re.compile(r"__pycache__/(\w+)\..*")


def recording(records: Path) -> dict[str, str]:
    """Return an environment in which stages record opened files in this folder."""
    records.mkdir(exist_ok=True)
    return {"RECORD": str(records), "PYTHONPATH": str(RECORDER)}


def opened(record: Path) -> tuple[set[str], set[str]]:
    """Return the paths that a stage read, except those it had written, and the paths it wrote."""
    read, written = set(), set()
    for line in record.read_text(encoding="utf-8").splitlines():
        kind, path = line.split(" ", 1)
        path = COMPILED.sub(r"\1.py", TEMPORARY.sub(r"\1\2", path))
        if kind == "write" and not path.endswith(".py"):
            written.add(path)
        elif path not in written:
            read.add(path)
    return read, written


def is_within(path: str, folders: set[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def modules_of(project: Path, stage: str) -> set[str]:
    """Return the files in the stage's fingerprint, and those that the fingerprint leaves out."""
    lines = (project / "data" / "code" / f"{stage}.txt").read_text(encoding="utf-8").splitlines()
    files = {line.split("  ")[1].partition(":")[0] for line in lines if "==" not in line}
    left_out = [name for name in DECIDE_NO_BYTE if name.endswith(".py")]
    return files.union(*map(CODE.closure, left_out))


def listed(project: Path) -> set[str]:
    """Return the files on the list of `fetch`, whose MD5 hashes make them part of the list."""
    with open_archive(project / RAW_ARCHIVES) as archive:
        return {
            Path(archive.filename, name).relative_to(project).as_posix() for name in archive.md5s
        }


def surprises(project: Path, stage: str, record: Path) -> set[str]:
    """Return files that a stage opened although neither dvc.yaml nor its fingerprint lists them."""
    read, written = opened(record)
    before = COMPUTED_BEFORE.get(stage, set())
    deps, outputs = set(STAGES[stage]["deps"]) | before, OUTPUTS[stage] | before
    if RAW_ARCHIVES.as_posix() in deps:
        deps |= listed(project)
    code = set() if stage == "code" else modules_of(project, stage)
    # Outputs that a C++ library has written are invisible to the hook.
    files = {path for path in read - LISTS - code if not is_within(path, deps | OUTPUTS[stage])}
    return files | {path for path in written if not is_within(path, outputs)}


def with_dependencies_only(project: Path, stage: str, folder: Path) -> Path:
    """Return a new folder with only what a stage and its fingerprint list, and params.yaml."""
    code = set() if stage == "code" else modules_of(project, stage)
    for name in {PARAMS, *STAGES[stage]["deps"], *code}:
        copy_into(folder, project, name)
    return folder
