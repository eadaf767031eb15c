"""The committed defaults on five datasets: `python -m bench.datasets [--stamps FOLDER]`.

Prints a row of Markdown per dataset, of five runs that differ in `split.seed` and
`train_finetune.seed`: the sizes of the splits, and of the test split the accuracy of a plain
regression, of the head and of the final model, and the final model's log loss, calibration error
and refused fraction. The regression is scikit-learn's LogisticRegressionCV after a StandardScaler,
on the stored features of the images without augmentation. FOLDER is `usr/share/tuxpaint/stamps` of
Debian's package tuxpaint-stamps-default. Run after `dvc repro`; about 40 minutes on two cores.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.compare import with_seed
from bench.image_sets import digits, drawn_pages, photos, stamps
from pawprint.core import data_paths, model_paths, result_paths
from pawprint.core.data_tables import SPLIT, SPLITS
from pawprint.core.files import pack
from pawprint.core.params.model import Model
from pawprint.core.result_tables import SCORES
from pawprint.core.tables import read_table
from pawprint.features.reader import open_examples
from pawprint.features.rows import row_function
from pawprint.images.archive import open_archive
from pawprint.images.warp import IDENTITY
from pawprint.network.head_arrays import read_head
from pawprint.network.logistic import VALUES_OF_C
from pawprint.runtime.conversion import read_network
from pawprint.serving.predictor import predict_members
from recipes.overlay import overlay
from recipes.sample.demo import PROJECT, prepare, run_dvc

SEEDS = 5
COLUMNS = (
    "images", *SPLITS, "regression", "head", "final", "final less regression", "log loss",
    "calibration error", "refused",
)  # fmt: skip


def measure(workspace: Path) -> dict[str, float]:
    """The cells of one run."""
    split = read_table(workspace / data_paths.SPLIT_IMAGES, SPLIT)
    train, actual, labels = open_examples(workspace / data_paths.FEATURES, "top", split, "train")
    test = split[split["split"] == "test"]
    how = Model.load(path=workspace / "params.yaml").resize
    rows_of = row_function(read_network(workspace / data_paths.EXTRACTOR), how)
    with open_archive(workspace / data_paths.RAW_ARCHIVES) as archive:
        features = predict_members(
            lambda image: rows_of(image, [IDENTITY])[0][1], archive, test["path"], "test"
        )
    first = np.zeros(len(actual), int)
    fitted = LogisticRegressionCV(
        Cs=VALUES_OF_C, max_iter=500, scoring="accuracy", use_legacy_attributes=False
    )
    regression = make_pipeline(StandardScaler(), fitted).fit(
        train[np.arange(len(actual)), first].astype(np.float32), actual
    )
    kernel, bias = read_head(workspace / model_paths.HEAD)
    logits = features @ kernel + bias
    of_head = logits[:, 0] > 0 if len(labels) == 2 else logits.argmax(axis=1)
    of_test = pd.Index(labels).get_indexer(test["label"])
    scores = read_table(workspace / result_paths.SCORES, SCORES).query("split == 'test'")
    scores = scores[scores["label"] == ""].set_index("score")["value"]
    plain = regression.score(features, of_test)
    values = (
        len(split), *split["split"].value_counts()[list(SPLITS)],
        plain, (of_head == of_test).mean(), scores["accuracy"], scores["accuracy"] - plain,
        scores["loss"],
        scores["expected_calibration_error"], scores["refused"],
    )  # fmt: skip
    return dict(zip(COLUMNS, values))


def cell(column: str, values: list[float]) -> str:
    """The mean, with the range where the seeds differ."""
    if column in COLUMNS[:4]:
        return "-".join(f"{each:,}" for each in sorted({min(values), max(values)}))
    form = ".3f" if column in ("log loss", "calibration error") else ".2%"
    return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def run(name: str, archive: Path, workspace: Path) -> str:
    """Run a dataset with each seed and return its row of the table."""
    runs = []
    for seed in range(1, SEEDS + 1):
        params = with_seed((PROJECT / "params.yaml").read_text(encoding="utf-8"), seed)
        labels = "" if "cats" in name else "clean: {labels: auto}\n"
        changes = f"fetch: {{source: {archive}}}\nsplit: {{seed: {seed}}}\n{labels}"
        prepare(workspace, overlay(params, changes))
        run_dvc(workspace, "repro", "--quiet", "evaluate")
        runs.append(measure(workspace))
    cells = (cell(column, [each[column] for each in runs]) for column in COLUMNS)
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stamps", type=Path, help="the folder of stamps; without it no stamps")
    folder = parser.parse_args().stamps
    sets = {"cats and dogs": photos(), "300 cats and dogs": photos(150), "digits": digits()}
    sets["drawn pages"] = drawn_pages(50)
    if folder and folder.is_dir():
        sets["stamps"] = stamps(folder)
    else:
        print(f"stamps: skipped, because --stamps is no folder: {folder}")
    print(f"| images of | {' | '.join(COLUMNS)} |\n" + "|---" * (len(COLUMNS) + 1) + "|")
    for name, images in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            archive, workspace = Path(folder, "images.zip"), Path(folder, "workspace")
            workspace.mkdir()
            pack(archive, images)
            print(run(name, archive, workspace), flush=True)


if __name__ == "__main__":
    main()
