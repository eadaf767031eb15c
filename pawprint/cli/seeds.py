"""Repeat the training with several seeds, and print mean, standard deviation, min and max.

The first seed is that of params.yaml. Each seed is one DVC experiment on the same images, split
and features, such as `pawprint-seed-1`, and replaces that of an earlier call. Writes
metrics/seeds.json, for the model card and the report; run `dvc repro` afterwards.
"""

import argparse
import json
import subprocess
import sys

import pandas as pd
from tqdm import tqdm

from pawprint.cli.compare import SPLITS, predictions_of
from pawprint.cli.revisions import read_revision
from pawprint.core import model_paths, result_paths
from pawprint.core.errors import InputError
from pawprint.core.files import write_json
from pawprint.core.params.section import PARAMS
from pawprint.core.params.whole import load_params
from pawprint.core.recorded import LOCK
from pawprint.core.sources import hide_secrets
from pawprint.core.yaml import parse_yaml, read_yaml
from pawprint.reports.seeds import SEED_INPUTS, STAGES, params_hash

PREFIX = "pawprint-seed-"  # of the experiments of this command: no other one is replaced
# The value of each metric, in metrics/train_extract.json or metrics/evaluate.json.
METRICS = {
    "validation accuracy after feature extraction": "validation_accuracy",
    "validation accuracy": "validation.accuracy",
    "validation log loss": "validation.loss",
    "test accuracy": "test.accuracy",
    "test log loss": "test.loss",
}


def run_experiment(seed: int, changes: dict[str, int]) -> str:
    """Run the pipeline up to `evaluate` with these params and return the experiment's name."""
    name = f"{PREFIX}{seed}"
    if name in dvc_output("exp", "list", "--name-only").split():
        dvc_output("exp", "remove", name)
    params = [f"--set-param={key}={value}" for key, value in changes.items()]
    # In its copy of the project DVC does not find a relative path outside of it.
    dvc_output("exp", "run", "--temp", "--allow-missing", "--name", name, *params, "evaluate")
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
    values: dict[str, float] = {}
    for path in (model_paths.EXTRACT_METRICS, result_paths.EVALUATE_METRICS):
        values |= pd.json_normalize(read_revision(rev, path, json.loads)).iloc[0].to_dict()
    return {title: float(values[key]) for title, key in METRICS.items()}


def count_disagreements(revs: list[str], split: str) -> dict[str, int]:
    tables = pd.concat(predictions_of(rev, split) for rev in revs)
    labels = tables.groupby("path")["predicted"].nunique()
    return {"images": len(labels), "disagree": int((labels > 1).sum())}


def read_inputs(rev: str) -> dict[str, str]:
    """The hash in dvc.lock of each of SEED_INPUTS, by path, in a commit or experiment."""
    lock = read_revision(rev, LOCK, lambda text: parse_yaml(text.decode(), f"{LOCK} of {rev}"))
    # Those of stages that an experiment does not run, such as report, are of an earlier run.
    deps = [each for stage in STAGES for each in lock["stages"][stage]["deps"]]
    hashes = {each["path"]: each["md5"] for each in deps}
    return {path.as_posix(): hashes[path.as_posix()] for path in SEED_INPUTS}


def describe(record: dict) -> str:
    """A line for each metric, and the images for which not all seeds predict the same label."""
    rows = pd.DataFrame(record["scores"]).T.rename_axis(columns=f"{len(record['seeds'])} seeds")
    lines = [
        f"{split} images on which the seeds disagree: {count['disagree']} of {count['images']}"
        for split, count in record["disagreements"].items()
    ]
    return "\n".join([rows.to_string(float_format="{:.4f}".format), *lines])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "seeds", type=int, nargs="?", default=5, help="number of seeds, 2 or more; default: 5"
    )


def run(arguments: argparse.Namespace) -> None:
    number = arguments.seeds
    if number < 2:
        arguments.error(f"expected 2 or more seeds. Received: {number}")
    params = load_params()
    configured = {"train_finetune.seed": params.train_finetune.seed}
    if params.train_extract.seed is not None:  # a head that is solved has none
        configured["train_extract.seed"] = params.train_extract.seed
    seeds = [params.train_finetune.seed + step for step in range(number)]
    revs = [
        run_experiment(seed, {key: first + step for key, first in configured.items()})
        for step, seed in enumerate(tqdm(seeds, desc="seeds", unit="run", disable=None))
    ]
    scores = pd.DataFrame(map(read_metrics, revs)).agg(["mean", "std", "min", "max"])
    record = {
        "seeds": seeds,
        "inputs": read_inputs(revs[0])
        | {"params.yaml": params_hash(hide_secrets(read_yaml(PARAMS)))},
        "scores": scores.rename({"std": "standard_deviation"}).to_dict(),
        "disagreements": {split: count_disagreements(revs, split) for split in SPLITS},
    }
    write_json(result_paths.SEEDS_METRICS, record)
    print(describe(record))
