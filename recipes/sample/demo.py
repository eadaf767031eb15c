"""`make demo`: run the sample recipe offline, in a scratch workspace beside the project.

`demo/` becomes a DVC project of its own with a copy of the stages, so nothing of a real run is
touched, and a second `make demo` reruns only what changed since the first.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pawprint.core import paths
from pawprint.core.entry import run
from pawprint.core.files import read_json
from pawprint.core.tables import SPLIT, read_table
from pawprint.dataset import corrections
from recipes.overlay import apply
from recipes.sample.drawings import write_archive

PROJECT = Path(__file__).resolve().parent.parent.parent
WORKSPACE = PROJECT / "demo"
ARCHIVE = "drawn.zip"  # as in recipes/sample.yaml


def prepare(workspace: Path, params: str) -> None:
    """Make `workspace` a DVC project with the stages of this one and these params."""
    for folder in ("pawprint", "recipes", "stages"):
        shutil.rmtree(workspace / folder, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / folder, workspace / folder, ignore=ignored)
    (workspace / paths.SEEDS_METRICS.parent).mkdir(exist_ok=True)
    for file in ("dvc.yaml", ".dvcignore", "requirements.txt", paths.SEEDS_METRICS):
        shutil.copy(PROJECT / file, workspace / file)
    (workspace / "params.yaml").write_text(params, encoding="utf-8", newline="\n")
    no_corrections = f"{','.join(corrections.COLUMNS)}\n"
    (workspace / paths.LABELS).write_text(no_corrections, encoding="utf-8", newline="\n")
    (workspace / paths.MODEL_CARD.parent).mkdir(exist_ok=True)
    if not (workspace / ".dvc").exists():
        run_dvc(workspace, "init", "--no-scm", "--quiet")


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


def print_metrics(workspace: Path) -> None:
    """The accuracy of each step of the run, and how many images stand behind it."""
    extract = read_json(workspace / paths.EXTRACT_METRICS)
    evaluate = read_json(workspace / paths.EVALUATE_METRICS)
    images = read_table(workspace / paths.SPLIT_IMAGES, SPLIT)["split"].value_counts()
    print("\nAccuracy:")
    for step, split, accuracy in (
        ("head untrained", "validation", extract["initial_accuracy"]),
        ("after feature extraction", "validation", extract["validation_accuracy"]),
        ("after fine-tuning", "validation", evaluate["validation"]["accuracy"]),
        ("after fine-tuning", "test", evaluate["test"]["accuracy"]),
    ):
        correct = round(accuracy * images[split])
        print(f"  {f'{split}, {step}':<38}{accuracy:>6.1%}  ({correct} of {images[split]} images)")


def train(*targets: str) -> None:
    """Run these stages of the demo and those before them, or all, as far as they changed."""
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    prepare(WORKSPACE, apply(params, "sample"))
    write_archive(WORKSPACE / ARCHIVE)
    run_dvc(WORKSPACE, "repro", *targets)


def main() -> None:
    train()
    print_metrics(WORKSPACE)
    print(f"\nReport, with all pictures: {os.path.relpath(WORKSPACE / paths.REPORT)}")
    print("Next: `. .venv/bin/activate` and `dvc repro` train on real photos of cats and dogs;")
    print('README.md, "Your own images", trains on yours.')


if __name__ == "__main__":
    run(main)
