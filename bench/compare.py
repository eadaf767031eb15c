"""Compare the pipeline with the tutorials' workflow in one script: `python -m bench.compare`.

Both train on the same images, with the same weights and width, at 288 px. The script trains for 10
+ 10 epochs. The pipeline runs once with the same epochs and once with the committed ones. The
benchmark prints the seconds of each step and the mean accuracies; times are medians over the
rounds, and each round has another seed. It then prints the seconds that `dvc repro` takes after
various changes.

Options select other comparisons:

- `--commits OLD NEW` compares cold runs of two commits, in clones. With `--photos N`, it uses N
  photos of the example, enlarged to the size of phone photos, without fine-tuning. With
  `--second-day FOLDER`, it uses photos in folders of classes and the params from `pawprint init`.
  It then prints the CPU seconds of the first run, and of the runs after one corrected label, after
  twenty more photos, after a new class (the last one, which should have twenty photos), and after a
  changed param.
- `--embeddings` compares examples/embeddings.py with a cold `dvc repro` of the `efficientnet-lite0`
  recipe on the same photos, with portable and with native kernels. It prints medians of seconds and
  CPU seconds, and their ratios to those of the script, whose kernels are native. The three take
  turns.

Run this after `dvc repro`, on a machine that is otherwise idle. It takes about 50 minutes on two
cores, or 25 with `--rounds 1`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from examples.demo import PROJECT, dvc_environment, prepare, run_dvc
from pawprint.base import paths
from pawprint.base.columns import SPLITS
from pawprint.base.files import read_json
from pawprint.base.tables import spread
from pawprint.base.yaml_file import parse_yaml
from pawprint.commands.params_file import flat, recipe_values, set_values
from pawprint.given.archive import members, open_archive
from pawprint.given.reading import open_image
from pawprint.pipeline.params.model import IMAGENET

SIZE = 288
EPOCHS = 10  # in each phase of the script
ADAM = "train_extract: {epochs: {number: 10, keep_best: false}}\n"
# Each change, and the stages passed to `dvc repro` (none means all).
CHANGES = {
    "nothing": ("{}", ()),
    "train_finetune.epochs": ("train_finetune: {epochs: {number: 5, learning_rate: 0.0001}}", ()),
    "head.dense, for train_extract": ("head: {dense: {units: 64}}\n" + ADAM, ("train_extract",)),
    "augment.RandomRotation": ("augment: {RandomRotation: {factor: 0.15}}", ()),
    "split.seed": ("split: {seed: 99}", ()),
}
PHONE = 4032, 3024  # in pixels
OF_PHOTOS = """
fetch: {source: photos}
clean: {labels: auto}
model: {fine_tune_at: null}
"""
# Seconds per step, `total`, and accuracies named after the step that reaches them.
Run = dict[str, float]


def run_steps(
    folder: Path, *command: str, clock: Callable[[int], float] = lambda pid: time.perf_counter()
) -> tuple[Run, str]:
    """Measure each step that a command announces like DVC, and return its last line of output.

    `clock` returns the time, in seconds, of the process with an identifier, when a step starts.
    """
    seconds, step, line = {}, "start", ""
    command, environment = [sys.executable, *command], dvc_environment()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        start = mark = clock(process.pid)
        for line in process.stdout:
            if line.startswith("Running stage"):
                now = clock(process.pid)
                seconds[step] = now - mark
                step, mark = line.split("'")[1], now
    if process.returncode:
        sys.exit(process.returncode)
    end = clock(process.pid)
    return seconds | {step: end - mark, "total": end - start}, line


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of the children that it has waited for.

    Once the process has ended, this includes all child processes that have ended.
    """
    try:
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        own = sum(map(int, numbers[11:15])) / os.sysconf("SC_CLK_TCK")
    except FileNotFoundError:
        own = 0.0
    return own + cpu_of_children()


def run_script(seed: int) -> Run:
    options = ("--epochs", str(EPOCHS), "--size", str(SIZE), "--seed", str(seed))
    seconds, line = run_steps(PROJECT, "bench/plain_script.py", *options)
    return seconds | {"accuracy of total": json.loads(line)["validation"]}


def run_pipeline(params: str) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        prepare(workspace := Path(folder), params)
        seconds, _ = run_steps(workspace, "-m", "dvc", "repro")
        head = pd.read_csv(workspace / paths.EXTRACT_HISTORY_CSV).query("kept")
        evaluate = read_json(workspace / paths.EVALUATE_METRICS)
        return seconds | {
            "accuracy of train_extract": float(head["validation_accuracy"].iloc[-1]),
            "accuracy of total": evaluate["validation"]["accuracy"],
            "accuracy on test": evaluate["test"]["accuracy"],
        }


def params_for(size: int, seed: int) -> str:
    """Return the committed params with another seed, and with the script's size and images."""
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    values = {"fetch.source": str(PROJECT / paths.RAW_IMAGES)}
    values |= {"model.image_size": size, "model.resize": "stretch"}
    text = set_values(text, values)
    return with_seed(text, seed)


def with_seed(params: str, seed: int) -> str:
    """Set the seed of each phase that has one. A head that is fitted has no seed."""
    content = parse_yaml(params, "params.yaml")
    epochs = {phase: content[phase]["epochs"] for phase in ("train_extract", "train_finetune")}
    values = {f"{name}.epochs": keys | {"seed": seed} for name, keys in epochs.items() if keys}
    return set_values(params, values)


def with_epochs(params: str, epochs: int) -> str:
    """Return the params with this number of epochs in each phase, using Adam in both."""
    content = parse_yaml(set_values(params, flat(ADAM)), "params.yaml")
    phases = ("train_extract", "train_finetune")
    values = {f"{name}.epochs": content[name]["epochs"] | {"number": epochs} for name in phases}
    return set_values(params, values)


def compare(rounds: int) -> pd.DataFrame:
    """Return a table of seconds and accuracies, with the column `name` for what was run."""
    runs = []
    for seed in range(1, rounds + 1):
        params = params_for(SIZE, seed)
        runs.append({"name": "script"} | run_script(seed))
        runs.append({"name": "same epochs"} | run_pipeline(with_epochs(params, EPOCHS)))
        runs.append({"name": "committed epochs"} | run_pipeline(params))
    return pd.DataFrame(runs)


def cost_of_changes() -> dict[str, float]:
    """Return the seconds of `dvc repro` after each change, starting from one finished run."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(workspace := Path(folder), params := params_for(SIZE, seed=1))
        run_steps(workspace, "-m", "dvc", "repro")
        seconds = {}
        for name, (change, targets) in CHANGES.items():
            text = set_values(params, flat(change))
            (workspace / "params.yaml").write_text(text, encoding="utf-8")
            seconds[name] = run_steps(workspace, "-m", "dvc", "repro", *targets)[0]["total"]
        return seconds


def write_phone_photos(folder: Path, number: int) -> None:
    """Write 12-megapixel JPEGs of about 2.7 MB to folders of classes of equal size."""
    with open_archive(PROJECT / paths.RAW_ARCHIVES) as archive:
        for name in spread(pd.DataFrame({"name": members(archive)}), number)["name"]:
            image = open_image(archive, name).resize(PHONE, Image.Resampling.BICUBIC)
            noise = np.random.default_rng(0).normal(0, 4, (*PHONE[::-1], 1)).astype(np.float32)
            pixels = (np.asarray(image) + noise).clip(0, 255).astype(np.uint8)
            path = folder / Path(name).parent.name / Path(name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=90)


def compare_commits(commits: list[str], rounds: int, photos: int | None) -> pd.DataFrame:
    """Return the seconds of each stage, CPU seconds and accuracies, by commit (`name`)."""
    runs = []
    with tempfile.TemporaryDirectory() as made:
        if photos:
            write_phone_photos(Path(made), photos)
        for commit in commits * rounds:
            with tempfile.TemporaryDirectory() as folder:
                clone(commit, Path(folder))
                if photos:
                    shutil.copytree(made, Path(folder, "photos"))
                    run_dvc(Path(folder), "add", "--quiet", "photos")
                    params = Path(folder, "params.yaml")
                    content = set_values(params.read_text(encoding="utf-8"), flat(OF_PHOTOS))
                    params.write_text(content, encoding="utf-8")
                before = cpu_of_children()
                seconds, _ = run_steps(Path(folder), "-m", "dvc", "repro")
                seconds["CPU"] = cpu_of_children() - before
                scores = read_json(Path(folder, paths.EVALUATE_METRICS))
                scores = {f"accuracy on {name}": scores[name]["accuracy"] for name in SPLITS[1:]}
                runs.append({"name": commit} | seconds | scores)
    return pd.DataFrame(runs)


def clone(commit: str, folder: Path) -> None:
    """Clone this project to a folder, and check out a commit."""
    subprocess.run(["git", "clone", "-q", PROJECT, folder], check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=folder, check=True)


def second_day(commits: list[str], photos: Path, rounds: int) -> pd.DataFrame:
    """Return the CPU seconds of each stage, by commit (`name`) and change."""
    runs = []
    for commit in commits * rounds:
        with tempfile.TemporaryDirectory() as folder:
            workspace = Path(folder, "project")
            clone(commit, workspace)
            shutil.copytree(photos, first := Path(folder, "photos"))
            later = set_apart(first, Path(folder, "later"))
            init = (sys.executable, "-m", "pawprint", "init", str(Path(folder, "made")))
            init += ("--images", str(first))
            subprocess.run(init, cwd=workspace, check=True, capture_output=True)
            shutil.copy(Path(folder, "made", "params.yaml"), workspace)
            shutil.move(first, workspace / "photos")
            for change in (None, correct_label, add_photos, add_class, change_param):
                if change:
                    change(workspace, later)
                run_dvc(workspace, "add", "--quiet", "photos")
                shutil.rmtree(workspace / ".dvc/tmp/pawprint", ignore_errors=True)
                seconds, _ = run_steps(workspace, "-m", "dvc", "repro", clock=cpu_seconds)
                what = change.__name__ if change else "first"
                runs.append({"name": commit, "change": what} | seconds)
                commit_all(workspace)
    return pd.DataFrame(runs)


def set_apart(photos: Path, later: Path) -> Path:
    """Move twenty photos of one class, and the whole last class, to another folder; return it."""
    *_, of_photos, new = sorted(photos.iterdir())
    for folder, number in ((of_photos, 20), (new, None)):
        (later / folder.name).mkdir(parents=True)
        for path in sorted(folder.iterdir())[:number]:
            path.rename(later / folder.name / path.name)
    new.rmdir()
    return later


def correct_label(workspace: Path, later: Path) -> None:
    """Give the first image of the last split the label of another class."""
    images = pd.read_csv(workspace / paths.SPLIT_CSV)
    first = images.iloc[0]
    label = images["label"][images["label"] != first["label"]].iloc[0]
    with (workspace / paths.LABELS_CSV).open("a", encoding="utf-8") as file:
        file.write(f"{first['path']},{label}\n")


def add_photos(workspace: Path, later: Path) -> None:
    first, _ = sorted(later.iterdir())
    shutil.copytree(first, workspace / "photos" / first.name, dirs_exist_ok=True)


def add_class(workspace: Path, later: Path) -> None:
    _, new = sorted(later.iterdir())
    shutil.copytree(new, workspace / "photos" / new.name)


def change_param(workspace: Path, later: Path) -> None:
    params = workspace / "params.yaml"
    text = params.read_text(encoding="utf-8")
    text = set_values(text, {"calibrate.unknown_quantile": 0.9})
    params.write_text(text, encoding="utf-8")


def commit_all(workspace: Path) -> None:
    for command in (("add", "--all"), ("commit", "-qm", "run")):
        subprocess.run(["git", *command], cwd=workspace, check=True)


def write_lite0(path: Path) -> None:
    """Write the network of examples/embeddings.py as an ONNX file."""
    # Importing this module starts TensorFlow, which only this comparison needs.
    from pawprint.commands.export_formats import convert_with_keras
    from pawprint.network.hardware import keras
    from pawprint.network.keras_backbone import application

    network = application("EfficientNetLite0", None, 224, IMAGENET)
    means = keras.layers.GlobalAveragePooling2D()(network.output)
    convert_with_keras(keras.Model(network.input, means), path, "onnx")


def compare_embeddings(rounds: int) -> pd.DataFrame:
    """Return seconds and CPU seconds per step, and scores for `validation`, by `name`."""
    values = recipe_values("efficientnet-lite0")
    values |= {"fetch.source": str(PROJECT / paths.RAW_IMAGES)}
    params = set_values((PROJECT / "params.yaml").read_text(encoding="utf-8"), values)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        network, photos = Path(folder, "lite0.onnx"), Path(folder, "photos")
        write_lite0(network)
        with zipfile.ZipFile(PROJECT / paths.RAW_IMAGES) as archive:
            archive.extractall(photos)
        (training,) = photos.rglob("train")
        for round_ in range(rounds):
            script = ("examples/embeddings.py", str(training.parent), str(network))
            before = cpu_of_children()
            seconds, line = run_steps(PROJECT, *script)
            cpu = {"CPU": cpu_of_children() - before}
            runs.append({"name": "embeddings"} | seconds | cpu | json.loads(line))
            for kernels in ("portable", "native"):
                (workspace := Path(folder, f"{kernels} {round_}")).mkdir()
                prepare(workspace, set_values(params, {"hardware.kernels": kernels}))
                before = cpu_of_children()
                seconds, _ = run_steps(workspace, "-m", "dvc", "repro")
                cpu = {"CPU": cpu_of_children() - before}
                runs.append({"name": kernels} | seconds | cpu | scores_of_held_out(workspace))
    return pd.DataFrame(runs)


def cpu_of_children() -> float:
    """Return the user and system CPU seconds of all child processes that have ended."""
    return sum(os.times()[2:4])


def scores_of_held_out(workspace: Path) -> dict[str, float]:
    """Return accuracy and log loss for the validation and test images together."""
    scores = read_json(workspace / paths.EVALUATE_METRICS)
    images = pd.read_csv(workspace / paths.CLASSES_CSV)
    numbers = [images[split].sum() for split in SPLITS[1:]]
    return {
        name: np.average([scores[split][name] for split in SPLITS[1:]], weights=numbers)
        for name in ("accuracy", "loss")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, 3 unless told")
    parser.add_argument("--commits", nargs=2, metavar="COMMIT", help="compare these two instead")
    parser.add_argument("--photos", type=int, metavar="N", help="of a phone, for --commits")
    parser.add_argument("--second-day", type=Path, metavar="FOLDER", help="for --commits")
    embeddings = "compare with examples/embeddings.py instead"
    parser.add_argument("--embeddings", action="store_true", help=embeddings)
    options = parser.parse_args()
    if options.second_day and not options.commits:
        parser.error("--second-day: expected --commits, too")
    if options.second_day:
        runs = second_day(options.commits, options.second_day.resolve(), options.rounds)
        table = runs.groupby(["change", "name"], sort=False).median().T
        print(table.round(1).to_string())
        return
    if options.embeddings:
        table = compare_embeddings(options.rounds).groupby("name", sort=False).median().T
        for kernels in ("portable", "native"):
            table[f"ratio of {kernels}"] = table[kernels] / table["embeddings"]
        print(table.round(4).to_string())
        return
    runs = (
        compare_commits(options.commits, options.rounds, options.photos)
        if options.commits
        else compare(options.rounds)
    )
    of_names = runs.groupby("name", sort=False)
    columns = {name: "mean" if "accuracy" in name else "median" for name in runs.columns[1:]}
    print(of_names.agg(columns).T.round(4).to_string())
    if not options.commits:
        print(pd.Series(cost_of_changes(), name="seconds after a change").round(1).to_string())


if __name__ == "__main__":
    main()
