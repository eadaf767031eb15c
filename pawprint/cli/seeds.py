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
from pawprint.core.tables import SCORES, parse_table

# The value of each metric, in metrics/train_extract.json, metrics/evaluate.json or
# plots/scores.csv. Those at a threshold of 0.5 exist for two classes only.
METRICS = {
    "validation accuracy after feature extraction": "validation_accuracy",
    "validation accuracy": "validation.accuracy",
    "validation accuracy at a threshold of 0.5": "validation.accuracy_at_half",
    "validation loss": "validation.loss",
    "validation calibration error, cross-fitted": "validation.cross_fitted_calibration_error",
    "test accuracy": "test.accuracy",
    "test accuracy at a threshold of 0.5": "test.accuracy_at_half",
    "test loss": "test.loss",
    "test calibration error": "test.expected_calibration_error",
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
    scores = parse_table(dvc.api.read(paths.SCORES.as_posix(), rev=rev, mode="rb"), SCORES)
    of_all = scores[scores["label"] == ""]
    values = dict(zip(of_all["split"] + "." + of_all["score"], of_all["value"]))
    for path in (paths.EXTRACT_METRICS, paths.EVALUATE_METRICS):  # with more digits
        measured = json.loads(dvc.api.read(path.as_posix(), rev=rev))
        values |= pd.json_normalize(measured).iloc[0].to_dict()
    return {title: float(values[key]) for title, key in METRICS.items() if key in values}


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
