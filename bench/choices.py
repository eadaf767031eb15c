"""Which size, and which way to make images square? `python -m bench.choices`, after `dvc repro`.

For each choice what the frozen base gives for an image is classified by logistic regression, in
ten folds of all images but those of the test split. Each is compared image by image with the
tutorials' choice, as in stages/compare.py. About three minutes on two cores.
"""

import itertools

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from pawprint.core import paths
from pawprint.core.files import read_csv
from pawprint.core.params import Resize, load_params
from pawprint.evaluation.comparison import compare
from pawprint.images.archive import open_archive
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.network.backbone import load_base
from pawprint.network.backend import keras
from pawprint.network.model import pool, rescale
from pawprint.runtime.conversion import compile_network

FIRST = (224, "stretch")
CHOICES = [*itertools.product((224, 256, 288, 320), ("stretch", "crop"))]
INVERSE_STRENGTH = 0.03  # of the penalty


def features(alpha: float, size: int, how: Resize, rows: list[dict]) -> np.ndarray:
    """float32 `(images, channels)`: what the frozen base gives, averaged over places."""
    pixels = keras.Input((size, size, 3))
    base = load_base(alpha, size, paths.RAW_WEIGHTS)
    maps = base(rescale(pixels), training=False)
    run = compile_network(keras.Model(pixels, pool(maps, "average")))
    with open_archive(paths.RAW_IMAGES) as archive:

        def compute(row: dict) -> np.ndarray:
            return run(resize(open_image(archive, row["path"]), size, how))[0]

        return np.stack(list(map_in_threads(compute, rows)))


def main() -> None:
    params = load_params()
    rows = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] != "test"]
    labels = sorted({row["label"] for row in rows})
    actual = np.array([labels.index(row["label"]) for row in rows])
    right = {}
    print("| size | to a square by | accuracy | loss | against the first |")
    print("|---|---|---|---|---|")
    for size, how in CHOICES:
        probability = cross_val_predict(
            LogisticRegression(C=INVERSE_STRENGTH, max_iter=3000),
            features(params.model.alpha, size, how, rows),
            actual,
            cv=StratifiedKFold(10, shuffle=True, random_state=1),
            method="predict_proba",
        )[:, 1]
        right[size, how] = list((probability >= 0.5) == actual)
        compared = compare(right[FIRST], right[size, how], params.evaluate.confidence)
        correct, total = sum(right[size, how]), len(rows)
        against = f"{100 * compared.difference:+.2f} points, p = {compared.p_value:.4f}"
        print(
            f"| {size} | {how} | {correct / total:.2%} ({correct}/{total}) "
            f"| {log_loss(actual, probability):.4f} | {against} |"
        )


if __name__ == "__main__":
    main()
