"""The pipeline against the tutorials' flow as one script: `python -m bench.compare`.

Both train on the same images, 224 px, with the same weights, width and epochs, in turn, three
times, each time with another seed; the pipeline with the views of params.yaml, and with one. The
first table is of seconds, medians of the three; the last of what `dvc repro` takes after a change.
`--short` has one epoch of each phase, not ten, and takes minutes; `--json` is for programs. Run
after `dvc repro`, on a machine with nothing else to do.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pawprint.core import paths
from pawprint.core.files import read_json
from recipes.overlay import overlay
from recipes.sample.demo import PROJECT, dvc_environment, prepare

ROUNDS = 3
# What the script does too; the rest prepares the data, and draws pictures.
COMPARED = ("features", "train_extract", "train_finetune", "calibrate", "evaluate")
# What is changed, and the stages up to which `dvc repro` is asked to run; none for all.
CHANGES = {
    "nothing": ("{}", ()),
    "train_finetune.learning_rate": ("train_finetune: {learning_rate: 0.0001}", ()),
    "train_extract.learning_rate": ("train_extract: {learning_rate: 0.002}", ()),
    "train_extract.learning_rate, for train_extract": (
        "train_extract: {learning_rate: 0.003}",
        ("train_extract",),
    ),
    "head.dropout": ("head: {dropout: 0.3}", ()),
    "augment.RandomRotation": ("augment: {RandomRotation: {factor: 0.15}}", ()),
    "split.seed": ("split: {seed: 99}", ()),
}


def run_script(epochs: int, seed: int) -> dict:
    """Seconds of each step and in total, and validation accuracy, of the plain script."""
    command = [sys.executable, "bench/plain_script.py", "--json"]
    start = time.perf_counter()
    result = subprocess.run(
        [*command, "--epochs", str(epochs), "--seed", str(seed)],
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


def run_pipeline(workspace: Path, *targets: str) -> dict:
    """Seconds of each stage that `dvc repro` runs and in total, and validation accuracy."""
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
    return {
        "seconds": seconds | {"total": end - start},
        "accuracy": {
            "train_extract": read_json(workspace / paths.EXTRACT_METRICS)["validation_accuracy"],
            "evaluate": read_json(workspace / paths.EVALUATE_METRICS)["validation"]["accuracy"],
        },
    }


def params_for(epochs: int, seed: int) -> str:
    """The committed params with other epochs and seed; size, images and weights of the script."""
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    return overlay(
        text,
        f"""
fetch: {{source: "{PROJECT / paths.RAW_IMAGES}", watch: "{PROJECT / paths.RAW_IMAGES}"}}
weights: {{source: "{PROJECT / paths.RAW_WEIGHTS}"}}
model: {{image_size: 224, resize: stretch}}
train_extract: {{epochs: {epochs}, seed: {seed}}}
train_finetune: {{epochs: {epochs}, seed: {seed}}}
""",
    )


def compare(epochs: int) -> dict:
    runs: dict[str, list[dict]] = {"script": [], "pipeline": [], "one view": []}
    for seed in range(1, ROUNDS + 1):
        runs["script"].append(run_script(epochs, seed))
        for name, change in (("pipeline", "{}"), ("one view", "augment: {views: 1}")):
            with tempfile.TemporaryDirectory() as folder:
                prepare(Path(folder), overlay(params_for(epochs, seed), change))
                runs[name].append(run_pipeline(Path(folder)))
    return {name: summarise(each) for name, each in runs.items()}


def summarise(runs: list[dict]) -> dict:
    """The median of each step's seconds, and the mean of each accuracy."""
    return {
        kind: {name: of(run[kind][name] for run in runs) for name in runs[0][kind]}
        for kind, of in (("seconds", statistics.median), ("accuracy", statistics.mean))
    }


def cost_of_changes(epochs: int) -> dict[str, float]:
    """Seconds of `dvc repro` after each change, from one finished run."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        params = params_for(epochs, seed=1)
        prepare(workspace, params)
        run_pipeline(workspace)
        seconds = {}
        for name, (change, targets) in CHANGES.items():
            changed = overlay(params, change)
            (workspace / "params.yaml").write_text(changed, encoding="utf-8")
            seconds[name] = run_pipeline(workspace, *targets)["seconds"]["total"]
        return seconds


def print_tables(result: dict) -> None:
    script, pipeline = result["script"]["seconds"], result["pipeline"]["seconds"]
    print("| | seconds | ratio | validation accuracy |")
    print("|---|---|---|---|")
    print(f"| script | {script['total']:.1f} | 1 | {result['script']['accuracy']['script']:.2%} |")
    for name in ("pipeline", "one view"):
        for stages in (COMPARED, COMPARED[:2]):
            seconds = sum(result[name]["seconds"][stage] for stage in stages)
            accuracy = result[name]["accuracy"][stages[-1]]
            ratio = script["total"] / seconds
            print(f"| {name}: {', '.join(stages)} | {seconds:.1f} | {ratio:.1f} | {accuracy:.2%} |")
    total = pipeline["total"]
    print(f"| `dvc repro` with everything | {total:.1f} | {script['total'] / total:.1f} | |")
    print("\n| step | seconds |\n|---|---|")
    for name, steps in (("script", script), ("pipeline", pipeline)):
        for step, seconds in steps.items():
            print(f"| {name}: {step} | {seconds:.1f} |")
    print("\n| changed | `dvc repro`, seconds | script / `dvc repro` |\n|---|---|---|")
    for change, seconds in result["changes"].items():
        print(f"| {change} | {seconds:.1f} | {script['total'] / seconds:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one epoch of each phase")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    epochs = 1 if arguments.short else 10
    result = compare(epochs) | {"changes": cost_of_changes(epochs)}
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print_tables(result)


if __name__ == "__main__":
    main()
