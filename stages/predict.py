"""Store the network's outputs (logits) for held-out images, from which `evaluate` predicts labels.

The network therefore runs only once, even if a threshold or metric changes. Its input is stored
features. Before this, the stage fits the detector of unknown inputs to training images. Reads
train/, validation/, test/ and unknown/ in data/features/, images.csv, labels.json and unknown.csv
in data/split/, models/network/ and models/network.json. Params: `augment`, `clean.several_labels`.
Writes data/outputs/: the outputs for training, validation, test and unknown images, and the
detector. Run: `python -m stages.predict`
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import SPLIT, TRAIN, UNKNOWN_IMAGES
from pawprint.base.files import read_json, write_arrays
from pawprint.base.labels import UNKNOWN
from pawprint.base.runtime import read_network
from pawprint.base.tables import read_table, training_images
from pawprint.base.yaml_file import read_mapping
from pawprint.model.outputs import Logits, compile_for_stored, run_on_stored
from pawprint.model.unknown_score import DETECTOR_FILE, fit_with_scores
from pawprint.network.store import DETECTOR_IMAGES
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.data import Augment, Clean


def main() -> None:
    """Write the outputs for all splits, and the detector."""
    labels: list[str] = read_json(paths.LABELS_JSON)
    to_actual = partial(Clean.load().kind.encode, labels=labels)
    split = read_table(paths.SPLIT_CSV, SPLIT)
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
    is_mirrored = Augment.load().mirrors(read_mapping(paths.NETWORK_JSON)["views"])
    for name, rows in images.items():
        keys = rows["pixels_sha256"]
        logits, features = run(paths.FEATURES / name, keys, themselves=not is_mirrored)
        write_outputs(name, rows, to_actual, logits, detector.score(features).mean(axis=1))
    numbers = ", ".join(f"{len(rows):,} {name}" for name, rows in images.items() if len(rows))
    print(f"predict: {numbers} images")


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
