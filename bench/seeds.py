"""Mean and range of the scores of five seeds of fine-tuning: `python -m bench.seeds`.

Each seed is a DVC experiment of this commit, `seed-1` to `seed-5`. Remove those of an earlier call
with `dvc exp remove`. Run after `dvc repro`: about two minutes on two cores. DVC's queue is not
used: where its worker stops early, as on a busy machine, `dvc exp run --run-all` waits for ever.
"""

import io
import subprocess
import sys

import pandas as pd

from pawprint.recipes.sample.demo import dvc_environment

SEEDS = (1, 2, 3, 4, 5)
SCORES = ["validation.accuracy", "validation.loss", "test.accuracy", "test.loss"]


def dvc_exp(*arguments: str) -> str:
    """Run `dvc exp` and return its stdout. Ends the process with DVC's status if that is not 0."""
    command = [sys.executable, "-m", "dvc", "exp", *arguments]
    result = subprocess.run(command, env=dvc_environment(), stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(result.returncode)
    return result.stdout


def main() -> None:
    for seed in SEEDS:
        params = ("--set-param", f"train_finetune.seed={seed}")
        # DVC does not find a relative path outside of the project from its copy.
        dvc_exp("run", "--temp", "--allow-missing", "--name", f"seed-{seed}", *params, "evaluate")
    experiments = pd.read_csv(io.StringIO(dvc_exp("show", "--csv")), index_col="Experiment")
    scores = experiments.loc[[f"seed-{seed}" for seed in SEEDS], SCORES]
    print(scores.agg(["mean", "min", "max"]).T.to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
