"""The committed defaults on three datasets: `python -m bench.datasets`.

Prints a row of Markdown per dataset, of five runs that differ in `split.seed` and
`train_finetune.seed`: the sizes of the splits, and of the test split the accuracy of a plain
regression, of the head and of the final model, and the final model's log loss, calibration error
and refused fraction. The regression is scikit-learn's LogisticRegressionCV after a StandardScaler,
on the stored features of the images without augmentation. Run after `dvc repro`; about 30 minutes
on two cores.
"""

import io
import random
import tempfile
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

SEEDS = 5
Images = Iterator[tuple[str, bytes]]  # names, in folders of classes, and files


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
        "log loss": scores["loss"],
        "calibration error": scores["expected_calibration_error"],
        "refused": scores["refused"],
    }


def cell(name: str, values: list[float]) -> str:
    """The mean, with the range where the seeds differ."""
    if name in ("images", *SPLITS):
        return "-".join(f"{each:,}" for each in sorted({min(values), max(values)}))
    form = ".3f" if name in ("log loss", "calibration error") else ".2%"
    return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def run(archive: Path, workspace: Path, labels: str) -> dict[str, str]:
    """Run a dataset with each seed and return the cells of its row."""
    runs = []
    for seed in range(1, SEEDS + 1):
        params = with_seed((PROJECT / "params.yaml").read_text(encoding="utf-8"), seed)
        changes = f"fetch: {{source: {archive}}}\nsplit: {{seed: {seed}}}\n{labels}"
        prepare(workspace, overlay(params, changes))
        run_dvc(workspace, "repro", "--quiet", "evaluate")
        runs.append(measure(workspace))
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


def main() -> None:
    sets = {"cats and dogs": photos(), "300 cats and dogs": photos(150), "digits": digits()}
    for name, images in sets.items():
        with tempfile.TemporaryDirectory() as scratch:
            archive, workspace = Path(scratch, "images.zip"), Path(scratch, "workspace")
            workspace.mkdir()
            pack(archive, images)
            cells = run(archive, workspace, "" if "cats" in name else "clean: {labels: auto}\n")
        if name == "cats and dogs":
            print(f"| images of | {' | '.join(cells)} |\n" + "|---" * (len(cells) + 1) + "|")
        print(f"| {name} | {' | '.join(cells.values())} |", flush=True)


if __name__ == "__main__":
    main()
