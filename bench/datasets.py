"""The committed defaults on datasets: `python -m bench.datasets [--public FOLDER] [NAME …]`.

Prints a row of Markdown per dataset, of runs that differ in `split.seed` and `train_finetune.seed`:
the sizes of the splits, and of the test split the accuracy of a plain regression, of the head and
of the final model, the final model's mean recall, log loss, calibration error and refused fraction,
and the seconds of `dvc repro evaluate`. The regression is scikit-learn's LogisticRegressionCV after
a StandardScaler, on the stored features of the images without augmentation. Three sets are made
here, after `dvc repro`; those of PUBLIC are read from clones of their repositories in FOLDER.
"""

import argparse
import io
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.compare import with_seed
from pawprint import project
from pawprint.columns import SCORES, SPLIT, SPLITS
from pawprint.features.rows import row_function
from pawprint.features.store import open_examples
from pawprint.files import pack, read_arrays, read_json
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.pixels import IDENTITY
from pawprint.network.solved_head import VALUES_OF_C
from pawprint.params.model import Model
from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.demo import PROJECT, prepare, run_dvc
from pawprint.runtime.network_file import read_network
from pawprint.serving.predictor import predict_members
from pawprint.tables import read_table

Images = Iterator[tuple[str, bytes]]  # names, in folders of classes, and files
TRACKS = "split: {group: '^([0-9]+/[0-9]{5})'}\n"
# Clone, its files, how many of each folder are taken (every so many), and params.
PUBLIC = {
    "ants and bees": ("jaddoescad/ants_and_bees", "*/*/*.jpg", 1, ""),
    "sign language digits": ("ardamavi/Sign-Language-Digits-Dataset", "Dataset/*/*.JPG", 1, ""),
    "magnetic tiles": ("abin24/Magnetic-tile-defect-datasets.", "MT_*/Imgs/*.jpg", 1, ""),
    "satellites": ("wongyufei1/AAI3001_EuroSAT", "data/EuroSAT_RGB/*/*.jpg", 15, ""),
    "flowers": ("martinwestin/flower_classification", "flowers/*/*.jpg", 1, ""),
    "traffic signs": (
        *("hergerr/traffic-sign-recognition", "GTSRB/Final_Training/Images/*/*.ppm", 10),
        TRACKS,
    ),
    "traffic signs, no group": (
        *("hergerr/traffic-sign-recognition", "GTSRB/Final_Training/Images/*/*.ppm", 10),
        "",
    ),
}


def measure(workspace: Path) -> dict[str, float]:
    """The cells of one run."""
    split = read_table(workspace / project.SPLIT_CSV, SPLIT)
    labels = read_json(workspace / project.LABELS_JSON)
    train, actual = open_examples(workspace / project.FEATURES, "top", split, "train", labels)
    test = split[split["split"] == "test"]
    how = Model.load(path=workspace / "params.yaml").resize
    rows_of = row_function(read_network(workspace / project.EXTRACTOR), how)
    with open_archive(workspace / project.RAW_ARCHIVES) as archive:
        (features,) = predict_members(
            lambda image: rows_of(image, [IDENTITY])[0][1:2], archive, test["path"], "test"
        )
    fitted = LogisticRegressionCV(
        Cs=VALUES_OF_C, max_iter=500, scoring="accuracy", use_legacy_attributes=False
    )
    images, first_views = np.arange(len(actual)), np.zeros(len(actual), int)
    regression = make_pipeline(StandardScaler(), fitted)
    regression.fit(train[images, first_views].astype(np.float32), actual)
    kernel, bias = read_arrays(workspace / project.HEAD).values()
    logits = features @ kernel + bias
    of_head = logits[:, 0] > 0 if len(labels) == 2 else logits.argmax(axis=1)
    of_test = pd.Index(labels).get_indexer(test["label"])
    plain = regression.score(features, of_test)
    scores = read_table(workspace / project.SCORES_CSV, SCORES)
    scores = scores.query("split == 'test' and label == ''").set_index("score")["value"]
    return {
        "images": len(split),
        **split["split"].value_counts()[list(SPLITS)],
        "regression": plain,
        "head": (of_head == of_test).mean(),
        "final": scores["accuracy"],
        "final less regression": scores["accuracy"] - plain,
        "mean recall": scores["mean_recall"],
        "log loss": scores["loss"],
        "calibration error": scores["expected_calibration_error"],
        "refused": scores["refused"],
    }


def cell(name: str, values: list[float]) -> str:
    """The mean, with the range where the seeds differ."""
    if name in ("images", "seconds", *SPLITS):
        return "-".join(f"{each:,.0f}" for each in sorted({min(values), max(values)}))
    form = ".3f" if name in ("log loss", "calibration error") else ".2%"
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def run(archive: Path, workspace: Path, changes: str, seeds: int) -> dict[str, str]:
    """Run a dataset with each seed and return the cells of its row."""
    runs = []
    for seed in range(1, seeds + 1):
        params = with_seed((PROJECT / "params.yaml").read_text(encoding="utf-8"), seed)
        params = overlay(params, f"fetch: {{source: {archive}}}\nsplit: {{seed: {seed}}}\n")
        prepare(workspace, overlay(params, changes) if changes else params)
        start = time.monotonic()
        run_dvc(workspace, "repro", "--quiet", "evaluate")
        seconds = time.monotonic() - start
        runs.append(measure(workspace) | {"seconds": seconds})
    return {name: cell(name, [each[name] for each in runs]) for name in runs[0]}


def photos(number: int | None = None) -> Images:
    """The archive's images, or so many of each class without the archive's splits."""
    with open_archive(project.RAW_ARCHIVES) as archive:
        names = sorted(name for name in members(archive) if name.endswith(".jpg"))
        for label in ("cat", "dog") if number else ():
            of_label = [name for name in names if Path(name).name.startswith(label)]
            for name in random.Random(1).sample(of_label, number):
                yield f"{label}/{Path(name).name}", read_member(archive, name)
        for name in names if number is None else ():
            yield name, read_member(archive, name)


def digits() -> Images:
    """Handwritten digits of 8 x 8 pixels, enlarged to 28 x 28."""
    pixels, labels = load_digits(return_X_y=True)
    for index, (row, label) in enumerate(zip(pixels, labels)):
        image = Image.fromarray((row.reshape(8, 8) * 15.9375).astype(np.uint8))
        buffer = io.BytesIO()
        image.resize((28, 28), Image.Resampling.BICUBIC).save(buffer, "PNG")
        yield f"{label}/{index}.png", buffer.getvalue()


def public(clone: Path, pattern: str, step: int) -> Images:
    """Every so many files of each folder of a clone, in a folder of the name of their class."""
    paths = sorted(clone.glob(pattern))
    of_folder = {path.parent: [] for path in paths}
    for path in paths:
        of_folder[path.parent].append(path)
    for folder, files in of_folder.items():
        inside = [part for part in folder.relative_to(clone).parts if part != "Imgs"]
        places = inside[-2:] if inside[0] in ("train", "val") else inside[-1:]
        for path in files[::step]:
            yield "/".join((*places, path.name)), path.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.datasets")
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="of clones: OWNER/NAME")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("names", nargs="*", metavar="NAME", help="sets; default: all")
    arguments = parser.parse_args()
    labels = "clean: {labels: auto}\n"
    sets = {
        "cats and dogs": (photos(), ""),
        "300 cats and dogs": (photos(150), ""),
        "digits": (digits(), labels),
    }
    for name, (clone, pattern, step, changes) in PUBLIC.items():
        folder = (arguments.public or Path()) / clone
        if arguments.public and folder.is_dir():
            sets[name] = public(folder, pattern, step), labels + changes
        else:
            print(f"{name}: skipped, as https://github.com/{clone} is not in --public")
    is_first = True
    for name, (images, changes) in sets.items():
        if arguments.names and name not in arguments.names:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            archive, workspace = Path(scratch, "images.zip"), Path(scratch, "workspace")
            workspace.mkdir()
            pack(archive, images)
            cells = run(archive, workspace, changes, arguments.seeds)
        if is_first:
            print(f"| images of | {' | '.join(cells)} |\n" + "|---" * (len(cells) + 1) + "|")
            is_first = False
        print(f"| {name} | {' | '.join(cells.values())} |", flush=True)


if __name__ == "__main__":
    main()
