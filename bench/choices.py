"""Compare image sizes and ways to make images square: `python -m bench.choices`.

For each choice, logistic regression classifies the pooled features of the frozen backbone, in ten
folds of all images but those of the test split. Each choice is compared image by image with that
of the tutorials, at Holm's levels, as in `python -m pawprint compare`. Run after `dvc repro`;
about five minutes on two cores.
"""

import itertools

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from pawprint.core import paths
from pawprint.core.params import Params, Resize, load_params
from pawprint.core.tables import SPLIT, read_table
from pawprint.engine.threads import map_in_threads
from pawprint.evaluation.comparison import compare
from pawprint.images.archive import open_archive
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.network.applications import preprocessing
from pawprint.network.backbone import load_backbone
from pawprint.network.backend import keras
from pawprint.network.model import pool
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import convert

# The first is that of the tutorials.
CHOICES = [*itertools.product((224, 256, 288, 320), ("stretch", "crop", "pad"))]
INVERSE_STRENGTH = 0.03  # of the penalty


def features(params: Params, size: int, how: Resize, members: pd.Series) -> np.ndarray:
    """float32 `(images, channels)`: the pooled features of the frozen backbone."""
    pixels = keras.Input((size, size, 3))
    name, weights = params.model.backbone, params.weights
    backbone = load_backbone(name, params.model.alpha, size, weights.source, weights.sha256)
    maps = backbone(preprocessing(name)(pixels), training=False)
    run = compile_for_cpu(convert(keras.Model(pixels, pool(maps, "average"))))
    with open_archive(paths.RAW_ARCHIVES) as archive:

        def compute(name: str) -> np.ndarray:
            return run(resize(open_image(archive, name), size, how))[0]

        return np.stack(list(map_in_threads(compute, members)))


def main() -> None:
    params = load_params()
    images = read_table(paths.SPLIT_IMAGES, SPLIT).query("split != 'test'")
    actual = images["label"].factorize(sort=True)[0]
    right, losses = {}, {}
    for choice in CHOICES:
        probability = cross_val_predict(
            LogisticRegression(C=INVERSE_STRENGTH, max_iter=3000),
            features(params, *choice, images["path"]),
            actual,
            cv=StratifiedKFold(10, shuffle=True, random_state=1),
            method="predict_proba",
        )[:, 1]
        right[choice] = (probability >= 0.5) == actual
        losses[choice] = log_loss(actual, probability)
    others = CHOICES[1:]
    compared = compare(
        right[CHOICES[0]], [right[choice] for choice in others], params.evaluate.confidence
    )
    against = {
        choice: f"{100 * each.difference:+.2f} points, p = {each.p_value:.4f}, {each.verdict}"
        for choice, each in zip(others, compared)
    }
    print("| size | to a square by | accuracy | loss | against the first |")
    print("|---|---|---|---|---|")
    for size, how in CHOICES:
        correct = right[size, how].sum()
        print(
            f"| {size} | {how} | {correct / len(images):.2%} ({correct}/{len(images)}) "
            f"| {losses[size, how]:.4f} | {against.get((size, how), '')} |"
        )


if __name__ == "__main__":
    main()
