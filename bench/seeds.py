"""Score the head alone, and five seeds of fine-tuning: `python -m bench.seeds`.

Each run is a DVC experiment on this commit, called `head` or `seed-1` to `seed-5`. Remove the
experiments of a previous call with `dvc exp remove`. Run this after `dvc repro`. It does not use
DVC's queue, because `dvc exp run --run-all` waits forever if the worker stops early, as happens on
a busy machine.
"""

import argparse
import io
import subprocess
import sys

import pandas as pd

from examples.demo import dvc_environment

SEEDS = {f"seed-{seed}": f"train_finetune.epochs.seed={seed}" for seed in range(1, 6)}
RUNS = {"head": "train_finetune.epochs=null"} | SEEDS
SCORES = ["validation.accuracy", "validation.loss", "test.accuracy", "test.loss"]


def dvc_exp(*arguments: str) -> str:
    """Run `dvc exp` and return its output. If it fails, exit with its status."""
    command = [sys.executable, "-m", "dvc", "exp", *arguments]
    result = subprocess.run(command, env=dvc_environment(), stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(result.returncode)
    return result.stdout


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for name, param in RUNS.items():
        # From its copy of the project, DVC does not find relative paths outside the project.
        how = ("--temp", "--allow-missing", "--name", name, "--set-param", param)
        dvc_exp("run", *how, "evaluate")
    experiments = pd.read_csv(io.StringIO(dvc_exp("show", "--csv")), index_col="Experiment")
    scores = experiments.loc[list(RUNS), SCORES]
    of_seeds = scores.loc[list(SEEDS)].agg(["mean", "min", "max"])
    print(pd.concat([scores, of_seeds]).to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
