"""`make demo`: run the sample recipe offline, in a scratch workspace beside the project.

`demo/` becomes a DVC project of its own with a copy of the stages, so nothing of a real run is
touched, and a second `make demo` reruns only what changed since the first.

sample/base.h5 holds the weights of MobileNetV2 (alpha 0.35) in float16, trained to tell 30 kinds of
drawn things apart, none of them a cat or a dog: 81% of 1,200 held-out pictures are right. It was
made by pawprint/recipes/sample/pretrain.py in commit 566bd2d.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pawprint import project
from pawprint.commands.recipes import apply_recipe
from pawprint.dataset.user_tables import EMPTY_TABLES
from pawprint.errors import InputError
from pawprint.package import folders_of_code
from pawprint.pipeline.entry import run
from pawprint.recipes.drawings import write_archive

PROJECT = Path(__file__).resolve().parents[2]
WORKSPACE = PROJECT / "demo"
ARCHIVE = "drawn.zip"  # as in pawprint/recipes/sample.yaml


def prepare(workspace: Path, params: str) -> None:
    """Make `workspace` a DVC project with the stages of this one and these params."""
    for folder in folders_of_code(PROJECT):
        shutil.rmtree(workspace / folder, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / folder, workspace / folder, ignore=ignored)
    for file in ("dvc.yaml", ".dvcignore", "requirements.txt"):
        shutil.copy(PROJECT / file, workspace / file)
    (workspace / "params.yaml").write_text(params, encoding="utf-8", newline="\n")
    for table, no_rows in EMPTY_TABLES.items():
        (workspace / table).write_text(no_rows, encoding="utf-8", newline="\n")
    (workspace / project.MODEL_CARD.parent).mkdir(exist_ok=True)
    if not (workspace / ".dvc").exists():
        run_dvc(workspace, "init", "--no-scm", "--quiet")
    shutil.copytree(PROJECT / ".dvc" / "plots", workspace / ".dvc" / "plots", dirs_exist_ok=True)


def run_dvc(workspace: Path, *arguments: str) -> None:
    """Run DVC in `workspace`; ends the process with DVC's exit status if that is not 0."""
    command = [sys.executable, "-m", "dvc", *arguments]
    status = subprocess.call(command, cwd=workspace, env=dvc_environment())
    if status:
        sys.exit(status)


def dvc_environment() -> dict[str, str]:
    """The environment in which the stages' `python` is this one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def main() -> None:
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    if WORKSPACE.exists() and not (WORKSPACE / ARCHIVE).exists():
        raise InputError(
            f"{WORKSPACE}: expected a folder that `make demo` made, or none. Received: one without "
            f"{ARCHIVE}. Move it."
        )
    write_archive(WORKSPACE / ARCHIVE)
    prepare(WORKSPACE, apply_recipe(params, "sample"))
    run_dvc(WORKSPACE, "repro")
    run_dvc(WORKSPACE, "metrics", "show", project.EVALUATE_METRICS.as_posix())
    print(f"\nReport, with all pictures: {os.path.relpath(WORKSPACE / project.REPORT)}")
    print("Next: `. .venv/bin/activate` and `dvc repro` train on real photos of cats and dogs;")
    print('README.md, "Your own photos in five minutes", trains on yours.')


if __name__ == "__main__":
    run(main)
