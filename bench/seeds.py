"""Scores of the head alone and of five seeds of fine-tuning: `python -m bench.seeds`.

Each is a DVC experiment of this commit, `head` and `seed-1` to `seed-5`. Remove those of an earlier
call with `dvc exp remove`. Run after `dvc repro`. DVC's queue is not used: where its worker stops
early, as on a busy machine, `dvc exp run --run-all` waits for ever.
"""

import argparse
import io
import subprocess
import sys

import pandas as pd

from pawprint.recipes.demo import dvc_environment

SEEDS = {f"seed-{seed}": f"train_finetune.epochs.seed={seed}" for seed in range(1, 6)}
RUNS = {"head": "train_finetune.epochs=null"} | SEEDS
SCORES = ["validation.accuracy", "validation.loss", "test.accuracy", "test.loss"]


def dvc_exp(*arguments: str) -> str:
    """Run `dvc exp` and return its stdout. Ends the process with DVC's status if that is not 0."""
    command = [sys.executable, "-m", "dvc", "exp", *arguments]
    result = subprocess.run(command, env=dvc_environment(), stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(result.returncode)
    return result.stdout


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for name, param in RUNS.items():
        # DVC does not find a relative path outside of the project from its copy.
        how = ("--temp", "--allow-missing", "--name", name, "--set-param", param)
        dvc_exp("run", *how, "evaluate")
    experiments = pd.read_csv(io.StringIO(dvc_exp("show", "--csv")), index_col="Experiment")
    scores = experiments.loc[list(RUNS), SCORES]
    of_seeds = scores.loc[list(SEEDS)].agg(["mean", "min", "max"])
    print(pd.concat([scores, of_seeds]).to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
