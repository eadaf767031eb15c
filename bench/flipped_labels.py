"""How many flipped labels `review` lists: `python -m bench.flipped_labels`.

In each run, FRACTION of the labels of all splits are flipped, the network is trained, calibrated
and evaluated with them, and each way to list likely wrong labels is compared with the flips. Prints
a row of Markdown per way, with the counts of all runs together and the range of the runs. Run after
`dvc repro`; two minutes per run on two cores.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.core import paths
from pawprint.core.params.whole import load_params
from pawprint.core.tables import (
    SPLIT,
    SPLITS,
    probabilities_in,
    read_predictions,
    read_table,
    write_table,
)
from pawprint.evaluation.label_review import cross_validate, find_suspects
from pawprint.features.reader import open_features

FRACTION = 0.03
RUNS = 5
STAGES = ("train_extract", "train_finetune", "calibrate", "evaluate")


def flip(actual: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """The class indices, FRACTION of them replaced by another class, drawn at random."""
    rng, given = np.random.default_rng(seed), actual.copy()
    flipped = rng.choice(len(given), round(FRACTION * len(given)), replace=False)
    given[flipped] += rng.integers(1, classes, len(flipped))
    return given % classes


def train(workspace: Path, images: pd.DataFrame) -> None:
    """Run STAGES in `workspace` with the labels of this table SPLIT."""
    (workspace / "data").mkdir()
    for name in ("pawprint", "stages", "params.yaml", "data/raw", paths.FEATURES):
        (workspace / name).symlink_to(Path(name).resolve())
    write_table(workspace / paths.SPLIT_IMAGES, images, SPLIT)
    for stage in STAGES:
        subprocess.run([sys.executable, "-m", f"stages.{stage}"], cwd=workspace, check=True)


def list_suspects(
    workspace: Path, given: np.ndarray, features: list[np.ndarray], folds: int
) -> dict[str, np.ndarray]:
    """The positions that each way lists, of images in the order of SPLITS.

    `features` are those of the training and of the validation images; the predictions of the model
    are in `workspace`.
    """
    validation, test = (
        probabilities_in(read_predictions(workspace / file))
        for file in (paths.VALIDATION_PREDICTIONS, paths.PREDICTIONS)
    )
    of_train = cross_validate(features[0], given[: len(features[0])], folds)
    of_both = cross_validate(np.concatenate(features), given[: -len(test)], folds)
    ways = {
        "training; together with the model's": [np.concatenate([of_train, validation, test])],
        "training; the model by itself": [of_train, np.concatenate([validation, test])],
        "training and validation; the model by itself": [of_both, test],
    }
    listed = {}
    for way, parts in ways.items():
        starts = np.cumsum([0, *map(len, parts)])
        listed[way] = np.concatenate(
            [
                start + find_suspects(given[start : start + len(part)], part)[0]
                for start, part in zip(starts, parts)
            ]
        )
    return listed


def main() -> None:
    folds = load_params().review.folds
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    images = pd.concat([split[split["split"] == name] for name in SPLITS])
    actual, labels = images["label"].factorize(sort=True)
    features = [
        open_features(paths.FEATURES, "top", images.query("split == @name")["pixels_sha256"])[:, 0]
        for name in SPLITS[:2]
    ]
    rows = []
    for seed in range(1, RUNS + 1):
        given = flip(actual, len(labels), seed)
        with tempfile.TemporaryDirectory() as workspace:
            train(Path(workspace), images.assign(label=labels[given]))
            found = list_suspects(Path(workspace), given, features, folds)
        for way, listed in found.items():
            rows.append(
                (way, len(listed), (given != actual)[listed].sum(), (given != actual).sum())
            )
    print("| cross-validated | listed | flipped | precision | recall |")
    print("|---|---|---|---|---|")
    runs = pd.DataFrame(rows, columns=["way", "listed", "hits", "flips"]).set_index("way")
    for way, of_way in runs.groupby(level=0, sort=False):
        total = of_way.sum()
        cells = [
            f"{total['hits'] / total[of]:.1%} ({ratio.min():.1%} to {ratio.max():.1%})"
            for of in ("listed", "flips")
            for ratio in [of_way["hits"] / of_way[of]]
        ]
        print(f"| {way} | {total['listed']} | {total['hits']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
