"""Store the network's outputs (logits) for held-out images, from which `evaluate` predicts labels.

The network therefore runs only once, even if a threshold or metric changes. Its input is stored
features. Before this, the stage fits the detector of unknown inputs to training images. Reads
train/, validation/, test/ and unknown/ in data/features/, images.csv, labels.json and unknown.csv
in data/split/, models/head.npz and models/tuned/. Params: `augment`, `clean.several_labels`,
`head`. Writes data/outputs/: the outputs for training, validation, test and unknown images, and the
detector; models/network/: the head, or the fine-tuned network; and models/network.json: whether it
also predicts the mirror image. Run: `python -m stages.predict`
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import SPLIT, TRAIN, UNKNOWN_IMAGES
from pawprint.base.files import read_json, replacing, write_arrays, write_json
from pawprint.base.labels import UNKNOWN
from pawprint.base.runtime import input_shapes, read_network, write_network
from pawprint.base.tables import read_table, training_images
from pawprint.model.outputs import Logits, compile_for_stored, run_on_stored
from pawprint.model.unknown_score import DETECTOR_FILE, fit_with_scores
from pawprint.network.heads import OUTPUTS, HeadWeights, on_features
from pawprint.network.store import DETECTOR_IMAGES, stored_shapes
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.data import Augment, Clean
from pawprint.pipeline.params.model import Head


def main() -> None:
    """Write the outputs for all splits, and the detector."""
    labels: list[str] = read_json(paths.LABELS_JSON)
    to_actual = partial(Clean.load().kind.encode, labels=labels)
    split = read_table(paths.SPLIT_CSV, SPLIT)
    is_mirrored = write_final_network()
    network = read_network(paths.NETWORK)
    run = partial(run_on_stored, network, compile_for_stored(network))
    train = training_images(split, DETECTOR_IMAGES)
    keys = train["pixels_sha256"]
    logits, features = run(paths.FEATURES / TRAIN, keys, themselves=True)  # without augmentation
    detector, unknown_scores = fit_with_scores(features[:, 0], keys.to_numpy())
    write_arrays(paths.OUTPUTS / DETECTOR_FILE, **detector._asdict())
    write_outputs(TRAIN, train, to_actual, logits, unknown_scores)
    images = {name: split[split["split"] == name] for name in ("validation", "test")}
    images[UNKNOWN] = read_table(paths.UNKNOWN_CSV, UNKNOWN_IMAGES)
    for name, rows in images.items():
        keys = rows["pixels_sha256"]
        logits, features = run(paths.FEATURES / name, keys, themselves=not is_mirrored)
        write_outputs(name, rows, to_actual, logits, detector.score(features).mean(axis=1))
    numbers = ", ".join(f"{len(rows):,} {name}" for name, rows in images.items() if len(rows))
    print(f"predict: {numbers} images")


def write_final_network() -> bool:
    """Write the fine-tuned network or, without fine-tuning, the head, as a network on features.

    Returns whether it predicts the mirror image, too, because it learned from mirrored images.
    """
    if paths.NO_NETWORK.exists():
        weights = HeadWeights.read(paths.HEAD)
        views = weights.views
        shapes = stored_shapes(paths.FEATURES / TRAIN)
        network, kinds = on_features(shapes, weights, Head.load())
    else:
        views = read_json(paths.TUNED_VIEWS)["views"]
        network = read_network(paths.TUNED / paths.NETWORK.name)
        kinds = [*input_shapes(network)]
    with replacing(paths.NETWORK.parent) as folder:
        folder.mkdir()
        write_network(network, folder / paths.NETWORK.name, OUTPUTS, kinds)
    is_mirrored = Augment.load().mirrors(views)
    write_json(paths.NETWORK_JSON, {"is_mirrored": is_mirrored})
    return is_mirrored


def write_outputs(
    name: str, rows: pd.DataFrame, to_actual: Callable, logits: np.ndarray, scores: np.ndarray
) -> None:
    """Write the logits of images, averaged over their views, and their unknown scores.

    `to_actual` converts labels to those of `Logits`.
    """
    outputs = Logits(to_actual(rows["label"]), logits.mean(axis=1), scores)
    outputs.write(paths.OUTPUTS / f"{name}.npz", rows["pixels_sha256"])


if __name__ == "__main__":
    run_stage(main)
