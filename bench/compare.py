"""The pipeline against the tutorials' flow as one script: `python -m bench.compare`.

Both train on the same images with the same weights and width, at 224 px and at 288 px, the
committed size. The script has 10 + 10 epochs; the pipeline has the same, and the committed epochs.
`--commits OLD NEW` compares cold runs of two commits in place of that, in clones, and prints the
medians of the seconds of each stage.
All run in turn, each time with another seed; seconds are medians, accuracies are means. Another
table has the seconds that `dvc repro` takes after a change, at 288 px. Run after `dvc repro`, on a
machine with nothing else to do: about 100 minutes on two cores, or 40 with `--rounds 1`.
"""

import argparse
import collections
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from pawprint import project
from pawprint.files import parse_yaml, read_json
from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.demo import PROJECT, dvc_environment, prepare

SIZES = (224, 288)
EPOCHS = 10  # of each phase of the script
# What the script does too; the other stages prepare the data and draw pictures.
COMPARED = ("features", "train_extract", "train_finetune", "predict", "calibrate", "evaluate")
ADAM = (
    "train_extract: {optimizer: adam, epochs: 10, learning_rate: 0.001, batch_size: 32, "
    "views_per_epoch: one, keep_best: false, seed: 1}\n"
)
# What is changed, and the stages up to which `dvc repro` is asked to run; none for all.
CHANGES = {
    "nothing": ("{}", ()),
    "train_finetune.learning_rate": ("train_finetune: {learning_rate: 0.0001}", ()),
    "train_extract.class_weight": ("train_extract: {class_weight: balanced}", ()),
    "head.dense, for train_extract": ("head: {dense: {units: 64}}\n" + ADAM, ("train_extract",)),
    "augment.RandomRotation": ("augment: {RandomRotation: {factor: 0.15}}", ()),
    "split.seed": ("split: {seed: 99}", ()),
}
Run = dict[str, float]  # seconds of each step, `total`, and accuracies by the step that reaches it


def run_steps(folder: Path, *command: str) -> tuple[Run, str]:
    """Seconds of each step that a command announces as DVC does, and the last line it prints."""
    seconds, step, line = {}, "start", ""
    start = mark = time.perf_counter()
    command, environment = [sys.executable, *command], dvc_environment()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("Running stage"):
                now = time.perf_counter()
                seconds[step] = now - mark
                step, mark = line.split("'")[1], now
    if process.returncode:
        sys.exit(process.returncode)
    end = time.perf_counter()
    return seconds | {step: end - mark, "total": end - start}, line


def run_script(size: int, seed: int) -> Run:
    options = ("--epochs", str(EPOCHS), "--size", str(size), "--seed", str(seed))
    seconds, line = run_steps(PROJECT, "bench/plain_script.py", *options)
    return seconds | {"accuracy of total": json.loads(line)["validation"]}


def run_pipeline(params: str) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        prepare(workspace := Path(folder), params)
        seconds, _ = run_steps(workspace, "-m", "dvc", "repro")
        extract = read_json(workspace / project.EXTRACT_METRICS)
        evaluate = read_json(workspace / project.EVALUATE_METRICS)
        return seconds | {
            "accuracy of train_extract": extract["validation_accuracy"],
            "accuracy of total": evaluate["validation"]["accuracy"],
            "accuracy on test": evaluate["test"]["accuracy"],
        }


def params_for(size: int, seed: int) -> str:
    """The committed params with another seed; size and images of the script."""
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    images = f'fetch: {{source: "{PROJECT / project.RAW_IMAGES}"}}'
    text = overlay(text, f"{images}\nmodel: {{image_size: {size}, resize: stretch}}")
    return with_seed(text, seed)


def with_seed(params: str, seed: int) -> str:
    """The params with this seed of each phase that has one: a head that is solved has none."""
    phases = ["train_finetune"]
    if parse_yaml(params, "params.yaml")["train_extract"]["seed"] is not None:
        phases.append("train_extract")
    return overlay(params, "\n".join(f"{phase}: {{seed: {seed}}}" for phase in phases))


def with_epochs(params: str, epochs: int) -> str:
    """The params with so many epochs of each phase, both by Adam."""
    epochs_of_each = "train_extract: {epochs: %d}\ntrain_finetune: {epochs: %d}"
    return overlay(overlay(params, ADAM), epochs_of_each % (epochs, epochs))


def compare(size: int, rounds: int) -> dict[str, Run]:
    """The medians of seconds and the means of accuracies, by what was run."""
    runs = collections.defaultdict(list)
    for seed in range(1, rounds + 1):
        params = params_for(size, seed)
        runs["script"].append(run_script(size, seed))
        runs["same epochs"].append(run_pipeline(with_epochs(params, EPOCHS)))
        runs["committed epochs"].append(run_pipeline(params))
    of = {True: statistics.mean, False: statistics.median}
    return {
        name: {key: of["accuracy" in key](each[key] for each in found) for key in found[0]}
        for name, found in runs.items()
    }


def cost_of_changes(size: int) -> dict[str, float]:
    """Seconds of `dvc repro` after each change, from one finished run."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(workspace := Path(folder), params := params_for(size, seed=1))
        run_steps(workspace, "-m", "dvc", "repro")
        seconds = {}
        for name, (change, targets) in CHANGES.items():
            (workspace / "params.yaml").write_text(overlay(params, change), encoding="utf-8")
            seconds[name] = run_steps(workspace, "-m", "dvc", "repro", *targets)[0]["total"]
        return seconds


def compare_commits(commits: list[str], rounds: int) -> pd.DataFrame:
    """The median seconds of each stage, by commit; the runs alternate."""
    runs = []
    for commit in commits * rounds:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "clone", "-q", PROJECT, folder], check=True)
            subprocess.run(["git", "checkout", "-q", commit], cwd=folder, check=True)
            seconds, _ = run_steps(Path(folder), "-m", "dvc", "repro")
            runs += [(commit, stage, value) for stage, value in seconds.items()]
    seconds = pd.DataFrame(runs, columns=["commit", "stage", "seconds"])
    of_stages = seconds.pivot_table("seconds", "stage", "commit", "median", sort=False)
    return of_stages[list(commits)]


def print_tables(sizes: dict[int, dict[str, Run]], changes: dict[str, float]) -> None:
    print("| pixels | run | seconds | ratio | validation accuracy |\n|---|---|---|---|---|")
    for size, result in sizes.items():
        total = result["script"]["total"]
        for name, run in result.items():
            for steps in (("total",), COMPARED, COMPARED[:2]):
                if set(steps) <= set(run):
                    seconds = sum(run[step] for step in steps)
                    accuracy = run.get(f"accuracy of {steps[-1]}", run["accuracy of total"])
                    print(
                        f"| {size} | {name}: {', '.join(steps)} | {seconds:.1f} "
                        f"| {total / seconds:.1f} | {accuracy:.2%} |"
                    )
    print(f"\n| step at {size} px | seconds |\n|---|---|")
    for name in ("script", "committed epochs"):
        for step, seconds in result[name].items():
            if "accuracy" not in step:
                print(f"| {name}: {step} | {seconds:.1f} |")
    print("\n| changed | `dvc repro`, seconds | script / `dvc repro` |\n|---|---|---|")
    for change, seconds in changes.items():
        print(f"| {change} | {seconds:.1f} | {total / seconds:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, 3 unless told")
    parser.add_argument("--commits", nargs=2, metavar="COMMIT", help="compare these two instead")
    given = parser.parse_args()
    if given.commits:
        print(compare_commits(given.commits, given.rounds).round(1).to_string())
    else:
        sizes = {size: compare(size, given.rounds) for size in SIZES}
        print_tables(sizes, cost_of_changes(SIZES[-1]))


if __name__ == "__main__":
    main()
