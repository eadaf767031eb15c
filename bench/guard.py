"""Whether a commit makes the pipeline slower: `python -m bench.guard main [HEAD]`.

Runs the whole pipeline at both commits in turn, each time in a fresh clone with one epoch of each
phase. Prints for each stage the ratio of the seconds, a geometric mean with its 95% interval (t
distribution of the logarithms of the paired ratios). Exits with status 1 if the interval of the
total lies above 1.1. Run after `dvc repro`, on a machine with nothing else to do. Both commits need
the params of this one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from bench.compare import params_for, seconds_of_repro, with_epochs
from recipes.sample.demo import PROJECT

SLOWER = 1.1
LEVEL = 0.95


def run(commit: str, params: str) -> dict[str, float]:
    """Seconds of each stage and in total of a run from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for command in (
            ("clone", "--quiet", str(PROJECT), folder),
            ("checkout", "--quiet", commit),
        ):
            subprocess.run(("git", *command), cwd=folder, check=True)
        Path(folder, "params.yaml").write_text(params, encoding="utf-8")
        return seconds_of_repro(Path(folder))


def ratio(old: list[float], new: list[float]) -> dict[str, float]:
    """The geometric mean of new / old over the rounds, and the ends of its interval."""
    logarithms = np.log(new) - np.log(old)
    mean, error = logarithms.mean(), stats.sem(logarithms)
    low, high = stats.t.interval(LEVEL, len(logarithms) - 1, mean, error)
    return {
        name: float(np.exp(end)) for name, end in zip(("ratio", "low", "high"), (mean, low, high))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", help="commit to compare with")
    parser.add_argument("new", nargs="?", default="HEAD", help="commit that may be slower")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, 5 unless told")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    params = with_epochs(params_for(288, seed=1), 1)
    commits = [
        subprocess.check_output(("git", "rev-parse", name), cwd=PROJECT, text=True).strip()
        for name in (arguments.old, arguments.new)
    ]
    runs: list[list[dict[str, float]]] = [[], []]
    for index in range(arguments.rounds):
        for which in (0, 1) if index % 2 else (1, 0):
            runs[which].append(run(commits[which], params))
    old, new = runs
    ratios = {
        stage: ratio([each[stage] for each in old], [each[stage] for each in new])
        for stage in old[0]
        if stage in new[0]
    }
    if arguments.json:
        print(json.dumps(ratios, indent=2))
    else:
        print(f"| stage | {arguments.new} / {arguments.old} | 95% interval |\n|---|---|---|")
        for stage, found in ratios.items():
            print(f"| {stage} | {found['ratio']:.2f} | {found['low']:.2f} to {found['high']:.2f} |")
    if ratios["total"]["low"] > SLOWER:
        sys.exit(f"{arguments.new} is more than {SLOWER - 1:.0%} slower than {arguments.old}.")


if __name__ == "__main__":
    main()
