"""Repeat the training with several seeds, and print mean, standard deviation, min and max.

Each seed is one DVC experiment, `seed-1` to `seed-N`, on the same images, split and features.
Writes metrics/seeds.json.
"""

import argparse
import functools
import json
import operator
import statistics
import subprocess
import sys

import dvc.api
from tqdm import tqdm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import write_json

# File and keys of each metric.
METRICS = {
    "validation accuracy after feature extraction": (
        paths.EXTRACT_METRICS, ("validation", "accuracy"),
    ),
    "validation accuracy": (paths.EVALUATE_METRICS, ("validation", "accuracy")),
    "validation accuracy at a threshold of 0.5": (
        paths.EVALUATE_METRICS, ("validation", "at_half", "accuracy"),
    ),
    "validation loss": (paths.EVALUATE_METRICS, ("validation", "loss")),
    "validation calibration error, cross-fitted": (
        paths.CALIBRATE_METRICS, ("cross_fitted_calibration_error",),
    ),
    "test accuracy": (paths.EVALUATE_METRICS, ("test", "accuracy")),
    "test accuracy at a threshold of 0.5": (
        paths.EVALUATE_METRICS, ("test", "at_half", "accuracy"),
    ),
    "test loss": (paths.EVALUATE_METRICS, ("test", "loss")),
    "test calibration error": (paths.EVALUATE_METRICS, ("test", "expected_calibration_error")),
}  # fmt: skip


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
    files = {
        path: json.loads(dvc.api.read(path.as_posix(), rev=rev)) for path, _ in METRICS.values()
    }
    return {
        title: functools.reduce(operator.getitem, keys, files[path])
        for title, (path, keys) in METRICS.items()
    }


def summarise(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation of the sample, minimum and maximum."""
    return {
        "mean": statistics.mean(values),
        "standard_deviation": statistics.stdev(values),
        "min": min(values),
        "max": max(values),
    }


def table(number: int, summary: dict[str, dict[str, float]]) -> str:
    """One line for each metric, as `summarise` gives it."""
    lines = [f"{f'{number} seeds':<46}{'mean':>9}{'st. dev.':>10}{'min':>9}{'max':>9}"]
    for title, row in summary.items():
        mean, deviation, low, high = row.values()
        lines.append(f"{title:<46}{mean:9.4f}{deviation:10.4f}{low:9.4f}{high:9.4f}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "seeds", type=int, nargs="?", default=5, help="number of seeds, 2 or more; default: 5"
    )


def run(arguments: argparse.Namespace) -> None:
    number = arguments.seeds
    if number < 2:
        arguments.error(f"expected 2 or more seeds. Received: {number}")
    seeds = tqdm(range(1, number + 1), desc="seeds", unit="run", disable=None)
    runs = [read_metrics(run_experiment(seed)) for seed in seeds]
    summary = {title: summarise([run[title] for run in runs]) for title in METRICS}
    write_json(paths.SEEDS_METRICS, {"seeds": number, **summary})
    print(table(number, summary))
