"""Repeat the training with several seeds, and print mean, standard deviation, min and max.

Each seed is one DVC experiment, `seed-1` to `seed-N`, on the same images, split and features.
Writes metrics/seeds.json.
"""

import argparse
import json
import subprocess
import sys

import dvc.api
import pandas as pd
from tqdm import tqdm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import write_json

FILES = (paths.EXTRACT_METRICS, paths.CALIBRATE_METRICS, paths.EVALUATE_METRICS)
# File and key of each metric.
METRICS = {
    "validation accuracy after feature extraction": "train_extract.validation.accuracy",
    "validation accuracy": "evaluate.validation.accuracy",
    "validation accuracy at a threshold of 0.5": "evaluate.validation.at_half.accuracy",
    "validation loss": "evaluate.validation.loss",
    "validation calibration error, cross-fitted": "calibrate.cross_fitted_calibration_error",
    "test accuracy": "evaluate.test.accuracy",
    "test accuracy at a threshold of 0.5": "evaluate.test.at_half.accuracy",
    "test loss": "evaluate.test.loss",
    "test calibration error": "evaluate.test.expected_calibration_error",
}


def run_experiment(seed: int) -> str:
    """Run the pipeline with this seed of both trainings and return the experiment's name."""
    name = f"seed-{seed}"
    if name in dvc_output("exp", "list", "--name-only").split():
        dvc_output("exp", "remove", name)
    changes = [f"--set-param=train_{phase}.seed={seed}" for phase in ("extract", "finetune")]
    # In its copy of the project DVC does not find a relative fetch.watch.
    dvc_output("exp", "run", "--temp", "--allow-missing", "--name", name, *changes)
    return name


def dvc_output(*arguments: str) -> str:
    """Run DVC and return its stdout. Raises InputError if it fails."""
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        reason = " ".join((result.stderr or result.stdout).split())
        raise InputError(f"dvc {' '.join(arguments)}: expected it to run. Received: {reason}")
    return result.stdout


def read_metrics(rev: str) -> dict[str, float]:
    """The value of each of METRICS, by title, in a commit or experiment."""
    files = {path.stem: json.loads(dvc.api.read(path.as_posix(), rev=rev)) for path in FILES}
    values = pd.json_normalize(files)
    return {title: float(values.at[0, key]) for title, key in METRICS.items()}


def table(number: int, summary: dict[str, dict[str, float]]) -> str:
    """A line for each metric, with its mean, standard deviation, min and max."""
    rows = pd.DataFrame(summary).T.rename_axis(columns=f"{number} seeds")
    return rows.to_string(float_format="{:.4f}".format)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "seeds", type=int, nargs="?", default=5, help="number of seeds, 2 or more; default: 5"
    )


def run(arguments: argparse.Namespace) -> None:
    number = arguments.seeds
    if number < 2:
        arguments.error(f"expected 2 or more seeds. Received: {number}")
    seeds = tqdm(range(1, number + 1), desc="seeds", unit="run", disable=None)
    runs = pd.DataFrame(read_metrics(run_experiment(seed)) for seed in seeds)
    statistics = runs.agg(["mean", "std", "min", "max"]).rename({"std": "standard_deviation"})
    summary = statistics.to_dict()
    write_json(paths.SEEDS_METRICS, {"seeds": number, **summary})
    print(table(number, summary))
