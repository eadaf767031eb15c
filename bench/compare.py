"""The pipeline against the tutorials' flow as one script: `python -m bench.compare`.

Both train on the same images with the same weights and width, at 224 px and at 288 px, the
committed size. The script has 10 + 10 epochs; the pipeline has the same, and the committed epochs
if they differ. All run in turn, each time with another seed; seconds are medians, accuracies are
means. Another table has the seconds that `dvc repro` takes after a change, at 288 px. Run
after `dvc repro`, on a machine with nothing else to do: about 100 minutes on two cores, or 40 with
`--rounds 1`.
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

from pawprint.core import data_paths, model_paths, result_paths
from pawprint.core.files import read_json
from pawprint.core.yaml import parse_yaml
from recipes.overlay import overlay
from recipes.sample.demo import PROJECT, dvc_environment, prepare

SIZES = (224, 288)
EPOCHS = 10  # of each phase of the script
# What the script does too; the other stages prepare the data and draw pictures.
COMPARED = ("features", "train_extract", "train_finetune", "calibrate", "evaluate")
# What is changed, and the stages up to which `dvc repro` is asked to run; none for all.
ADAM = (
    "train_extract: {optimizer: adam, epochs: 10, learning_rate: 0.001, batch_size: 32, "
    "views_per_epoch: one, keep_best: false, seed: 1}\n"
)
CHANGES = {
    "nothing": ("{}", ()),
    "train_finetune.learning_rate": ("train_finetune: {learning_rate: 0.0001}", ()),
    "train_extract.class_weight": ("train_extract: {class_weight: balanced}", ()),
    "head.dense, for train_extract": ("head: {dense: {units: 64}}\n" + ADAM, ("train_extract",)),
    "augment.RandomRotation": ("augment: {RandomRotation: {factor: 0.15}}", ()),
    "split.seed": ("split: {seed: 99}", ()),
}


def run_script(size: int, seed: int) -> dict:
    """Seconds of each step and in total, and validation accuracy, of the plain script."""
    command = [sys.executable, "bench/plain_script.py"]
    start = time.perf_counter()
    result = subprocess.run(
        [*command, "--epochs", str(EPOCHS), "--size", str(size), "--seed", str(seed)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    total = time.perf_counter() - start
    measured = json.loads(result.stdout.splitlines()[-1])  # Keras prints before it
    return {
        "seconds": measured["seconds"] | {"total": total},
        "accuracy": {"script": measured["accuracy"]["validation"]},
    }


def seconds_of_repro(workspace: Path, *targets: str) -> dict[str, float]:
    """Seconds of each stage that `dvc repro` runs, and in total."""
    seconds, stage = {}, None
    start = mark = time.perf_counter()
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    with subprocess.Popen(
        command, cwd=workspace, env=dvc_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("Running stage"):
                now = time.perf_counter()
                if stage:
                    seconds[stage] = now - mark
                stage, mark = line.split("'")[1], now
    end = time.perf_counter()
    if process.returncode:
        sys.exit(process.returncode)
    if stage:
        seconds[stage] = end - mark
    return seconds | {"total": end - start}


def run_pipeline(workspace: Path) -> dict:
    """Seconds of each stage and in total, and validation accuracy."""
    seconds = seconds_of_repro(workspace)
    extract = read_json(workspace / model_paths.EXTRACT_METRICS)
    evaluate = read_json(workspace / result_paths.EVALUATE_METRICS)
    return {
        "seconds": seconds,
        "accuracy": {
            "train_extract": extract["validation_accuracy"],
            "evaluate": evaluate["validation"]["accuracy"],
        },
    }


def params_for(size: int, seed: int) -> str:
    """The committed params with another seed; size and images of the script."""
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    text = overlay(
        text,
        f"""
fetch: {{source: "{PROJECT / data_paths.RAW_IMAGES}"}}
model: {{image_size: {size}, resize: stretch}}
""",
    )
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


def compare(size: int, rounds: int) -> dict[str, dict]:
    """The summary of the script and of each set-up of the pipeline."""
    runs = collections.defaultdict(list)
    for seed in range(1, rounds + 1):
        runs["script"].append(run_script(size, seed))
        committed = params_for(size, seed)
        same_epochs = with_epochs(committed, EPOCHS)
        set_ups = {same_epochs: "same epochs", committed: "committed epochs"}  # one if equal
        for params, name in set_ups.items():
            with tempfile.TemporaryDirectory() as folder:
                prepare(Path(folder), params)
                runs[name].append(run_pipeline(Path(folder)))
    return {name: summarise(each) for name, each in runs.items()}


def summarise(runs: list[dict]) -> dict:
    """The median of each step's seconds, and the mean of each accuracy."""
    return {
        kind: {name: of(run[kind][name] for run in runs) for name in runs[0][kind]}
        for kind, of in (("seconds", statistics.median), ("accuracy", statistics.mean))
    }


def cost_of_changes(size: int) -> dict[str, float]:
    """Seconds of `dvc repro` after each change, from one finished run."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        params = params_for(size, seed=1)
        prepare(workspace, params)
        seconds_of_repro(workspace)
        seconds = {}
        for name, (change, targets) in CHANGES.items():
            changed = overlay(params, change)
            (workspace / "params.yaml").write_text(changed, encoding="utf-8")
            seconds[name] = seconds_of_repro(workspace, *targets)["total"]
        return seconds


def print_tables(sizes: dict[int, dict], changes: dict[str, float]) -> None:
    print("| pixels | run | seconds | ratio | validation accuracy |")
    print("|---|---|---|---|---|")
    for size, result in sizes.items():
        script = result.pop("script")
        total = script["seconds"]["total"]
        print(f"| {size} | script | {total:.1f} | 1 | {script['accuracy']['script']:.2%} |")
        for name, run in result.items():
            accuracy = run["accuracy"]
            for what, stages, reached in (
                ("`dvc repro` from nothing", ("total",), "evaluate"),
                (", ".join(COMPARED), COMPARED, "evaluate"),
                (", ".join(COMPARED[:2]), COMPARED[:2], "train_extract"),
            ):
                seconds = sum(run["seconds"][stage] for stage in stages)
                ratio = total / seconds
                print(
                    f"| {size} | {name}: {what} | {seconds:.1f} | {ratio:.1f} "
                    f"| {accuracy[reached]:.2%} |"
                )
    print(f"\n| step at {size} px | seconds |\n|---|---|")
    for who, steps in (("script", script["seconds"]), (name, run["seconds"])):
        for step, seconds in steps.items():
            print(f"| {who}: {step} | {seconds:.1f} |")
    print("\n| changed | `dvc repro`, seconds | script / `dvc repro` |\n|---|---|---|")
    for change, seconds in changes.items():
        print(f"| {change} | {seconds:.1f} | {total / seconds:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, 3 unless told")
    arguments = parser.parse_args()
    sizes = {size: compare(size, arguments.rounds) for size in SIZES}
    print_tables(sizes, cost_of_changes(SIZES[-1]))


if __name__ == "__main__":
    main()
