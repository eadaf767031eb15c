"""Measure the defaults on data sets: `python -m bench.datasets [--public FOLDER] [NAME …]`.

Prints the output of the stages, and a Markdown row for each data set, averaged over runs that
differ in `split.seed` and `train_finetune.seed`. A row contains the number of images, classes and
test images; on the test split, the accuracy and balanced accuracy of the model and of a plain
regression, and the fraction of images called unknown; and the CPU seconds of `dvc repro evaluate`.
The regression is scikit-learn's LogisticRegressionCV after a StandardScaler, on the stored features
of the images without augmentation. Params are those that `pawprint init` writes. Three data sets
are made here, which requires a previous `dvc repro`. The data sets in PUBLIC are read from clones
of their repositories in FOLDER.
"""

import argparse
import io
import random
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.compare import cpu_of_children, with_seed
from examples.demo import PROJECT, prepare, run_dvc
from pawprint.base import paths
from pawprint.base.columns import SCORES, SPLIT
from pawprint.base.files import pack, read_json
from pawprint.base.runtime import read_network
from pawprint.base.tables import read_table
from pawprint.commands.given_images import open_given
from pawprint.commands.params_file import DEFAULT_RECIPE, overlay, read_recipe
from pawprint.data.unusual import MAX_LEFT_OUT, left_out
from pawprint.given.archive import members, open_archive, read_member
from pawprint.given.reading import open_image
from pawprint.network.cross_validation import VALUES_OF_C
from pawprint.network.rows import row_function
from pawprint.network.store import stored_examples
from pawprint.network.views import IDENTITY
from pawprint.pipeline.params.model import Model

Images = Iterator[tuple[str, bytes]]  # names in folders of classes, and the content of the files


class Public(NamedTuple):
    """Images in a public repository, with a folder for each class."""

    clone: str
    files: str
    taken: slice = slice(None)  # selects from the files in each folder
    changes: str = ""  # changes to the params


EVERY_TENTH = slice(None, None, 10)
SIGNS = "hergerr/traffic-sign-recognition", "GTSRB/Final_Training/Images/*/*.ppm", EVERY_TENTH
PUBLIC = {
    "ants and bees": Public("jaddoescad/ants_and_bees", "*/*/*.jpg"),
    "digits in sign language": Public("ardamavi/Sign-Language-Digits-Dataset", "Dataset/*/*.JPG"),
    "magnetic tiles": Public("abin24/Magnetic-tile-defect-datasets.", "MT_*/Imgs/*.jpg"),
    "satellites": Public(
        "wongyufei1/AAI3001_EuroSAT", "data/EuroSAT_RGB/*/*.jpg", slice(0, 2000, 10)
    ),
    "flowers": Public("martinwestin/flower_classification", "flowers/*/*.jpg"),
    "traffic signs": Public(*SIGNS, "split: {group: '^([0-9]+/[0-9]{5})'}"),
    "traffic signs without a group": Public(*SIGNS),
    "waste": Public("arjunk00/chs", "dataset-resized/*/*.jpg"),
    "masks": Public("chandrikadeb7/Face-Mask-Detection", "dataset/*/*"),
    "clothing": Public(
        "alexeygrigorev/clothing-dataset-small",
        "*/*/*.jpg",
        changes="split: {use_archive_split: false}",
    ),
}


def measure(workspace: Path) -> dict[str, float]:
    """Return the cells for one run."""
    split = read_table(workspace / paths.SPLIT_CSV, SPLIT)
    labels = read_json(workspace / paths.LABELS_JSON)
    examples = stored_examples(workspace / paths.FEATURES, split, labels)
    train, actual = examples.open("train", "top"), examples.classes("train")
    test = split[split["split"] == "test"]
    how = Model.load(path=workspace / "params.yaml").resize
    rows_of = row_function(read_network(workspace / paths.EXTRACTOR), how)
    with open_archive(workspace / paths.RAW_ARCHIVES) as archive:
        reads = [partial(open_image, archive, path) for path in test["path"]]
        features = np.stack([rows_of(read, [IDENTITY])[0][-1] for read in reads])
    fitted = LogisticRegressionCV(
        Cs=VALUES_OF_C,
        l1_ratios=(0,),
        max_iter=500,
        scoring="accuracy",
        use_legacy_attributes=False,
    )
    images, first_views = np.arange(len(actual)), np.zeros(len(actual), int)
    regression = make_pipeline(StandardScaler(), fitted)
    regression.fit(train[images, first_views].astype(np.float32), actual)
    of_regression = regression.predict(features)
    of_test = pd.Index(labels).get_indexer(test["label"])
    scores = read_table(workspace / paths.SCORES_CSV, SCORES)
    scores = scores.query("split == 'test' and label == ''").set_index("score")["value"]
    return {
        "images": len(split),
        "classes": len(labels),
        "of test": len(test),
        "accuracy": scores["accuracy"],
        "balanced accuracy": scores["mean_recall"],
        "regression": (of_regression == of_test).mean(),
        "its balanced accuracy": recall_score(
            of_test, of_regression, labels=np.unique(of_test), average="macro"
        ),
        "unknown": scores["refused"],
    }


def cell(name: str, values: list[float]) -> str:
    """Format the mean, with the range if the seeds differ."""
    if name in ("images", "classes", "of test", "CPU seconds"):
        return "-".join(f"{value:,.0f}" for value in sorted({min(values), max(values)}))
    if len(values) == 1:
        return f"{values[0]:.2%}"
    return f"{mean(values):.2%} ({min(values):.2%} to {max(values):.2%})"


def params_of(archive: Path, seed: int, changes: str) -> str:
    """Return the params that `pawprint init` writes for these images."""
    params = with_seed((PROJECT / "params.yaml").read_text(encoding="utf-8"), seed)
    params = overlay(params, f"fetch: {{source: {archive}}}\nsplit: {{seed: {seed}}}\n")
    params = overlay(params, read_recipe(DEFAULT_RECIPE))
    with open_given(archive) as given:
        out = left_out(*np.array(given.sizes).T)
    if out > MAX_LEFT_OUT:
        params = overlay(params, "model: {resize: stretch}")
    return overlay(params, changes) if changes else params


def run(archive: Path, workspace: Path, changes: str, seeds: int) -> dict[str, str]:
    """Run a data set with each seed and return the cells of its row."""
    runs = []
    for seed in range(1, seeds + 1):
        prepare(workspace, params_of(archive, seed, changes))
        before = cpu_of_children()
        run_dvc(workspace, "repro", "--quiet", "evaluate")
        runs.append(measure(workspace) | {"CPU seconds": cpu_of_children() - before})
    return {name: cell(name, [cells[name] for cells in runs]) for name in runs[0]}


def photos(number: int | None = None) -> Images:
    """Return the archive's images; or this number per class, without the archive's splits."""
    with open_archive(paths.RAW_ARCHIVES) as archive:
        names = sorted(name for name in members(archive) if name.endswith(".jpg"))
        for label in ("cat", "dog") if number else ():
            of_label = [name for name in names if Path(name).name.startswith(label)]
            for name in random.Random(1).sample(of_label, number):
                yield f"{label}/{Path(name).name}", read_member(archive, name)
        for name in names if number is None else ():
            yield name, read_member(archive, name)


def digits() -> Images:
    """Return handwritten digits of 8 x 8 pixels, enlarged to 28 x 28."""
    pixels, labels = load_digits(return_X_y=True)
    for index, (row, label) in enumerate(zip(pixels, labels)):
        image = Image.fromarray((row.reshape(8, 8) * 15.9375).astype(np.uint8))
        buffer = io.BytesIO()
        image.resize((28, 28), Image.Resampling.BICUBIC).save(buffer, "PNG")
        yield f"{label}/{index}.png", buffer.getvalue()


def public(clone: Path, files: str, taken: slice) -> Images:
    """Return the files `taken` from each class folder in a clone."""
    of_class: dict[str, list[Path]] = {}
    for path in sorted(clone.glob(files)):
        inside = [part for part in path.parent.relative_to(clone).parts if part != "Imgs"]
        places = inside[-2:] if inside[0] in ("train", "val") else inside[-1:]
        of_class.setdefault("/".join(places), []).append(path)
    for folder, found in of_class.items():
        for path in found[taken]:
            yield f"{folder}/{path.name}", path.read_bytes()


def sets(clones: Path | None, names: list[str]) -> dict[str, tuple[Images, str]]:
    """Return the images and params of the data sets with these names, or of all."""
    labels = "clean: {labels: auto}\n"
    images_of = {
        "cats and dogs": (photos(), ""),
        "300 cats and dogs": (photos(150), ""),
        "digits": (digits(), labels),
    }
    for name, (clone, files, taken, changes) in PUBLIC.items():
        folder = (clones or Path()) / clone
        if clones and folder.is_dir():
            images_of[name] = public(folder, files, taken), labels + changes
        else:
            print(f"{name}: skipped, as https://github.com/{clone} is not in --public")
    return {name: images_of[name] for name in images_of if not names or name in names}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.datasets")
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="of clones: OWNER/NAME")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("names", nargs="*", metavar="NAME", help="sets; default: all")
    arguments = parser.parse_args()
    is_first = True
    for name, (images, changes) in sets(arguments.public, arguments.names).items():
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
