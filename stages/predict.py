"""Store the network's outputs (logits) for held-out images, from which `evaluate` predicts labels.

The network therefore runs only once, even if a threshold or metric changes. Its input is stored
features. Before this, the stage fits the detector of unknown inputs to training images. Reads
train/, validation/, test/ and unknown/ in data/features/, images.csv and labels.json in
data/split/, data/clean/unknown.csv and models/network/. Writes data/outputs/: the outputs for
training, validation, test and unknown images, and the detector. Run: `python -m stages.predict`
"""

from functools import partial
from pathlib import Path

import numpy as np
import openvino
import pandas as pd

from pawprint import paths
from pawprint.classes import UNKNOWN
from pawprint.columns import IMAGES, SPLIT, TRAIN
from pawprint.engine.mapping import map_in_threads
from pawprint.features.store import Features, open_features
from pawprint.files import read_labels, write_arrays
from pawprint.model.detector import DETECTOR_FILE, DETECTOR_IMAGES, fit_unknown
from pawprint.model.outputs import Outputs
from pawprint.pipeline.entry import run_stage
from pawprint.runtime import (
    CompiledNetwork,
    compile_for_cpu,
    input_shapes,
    output_shapes,
    read_network,
)
from pawprint.tables import read_table, training_images


def main() -> None:
    """Write the outputs for all splits, and the detector."""
    labels = pd.Index(read_labels(paths.LABELS_JSON))
    split = read_table(paths.SPLIT_CSV, SPLIT)
    network = read_network(paths.NETWORK)
    run = partial(run_on_stored, network, compile_for_cpu(network))
    train = training_images(split, DETECTOR_IMAGES)
    folder = paths.FEATURES / TRAIN
    logits, features = run(folder, train["pixels_sha256"], themselves=True)
    detector, scores = fit_unknown(features[:, 0], train["pixels_sha256"].to_numpy())
    write_arrays(paths.OUTPUTS / DETECTOR_FILE, **detector._asdict())
    actual = labels.get_indexer(train["label"])
    Outputs(actual, logits.mean(axis=1), scores).write(paths.OUTPUTS / "train.npz")
    images = {name: split[split["split"] == name] for name in ("validation", "test")}
    images[UNKNOWN] = read_table(paths.UNKNOWN_CSV, IMAGES)
    for name, rows in images.items():
        logits, features = run(paths.FEATURES / name, rows["pixels_sha256"])
        scores = detector.score(features)
        actual = labels.get_indexer(rows["label"])
        outputs = Outputs(actual, logits.mean(axis=1), scores.mean(axis=1))
        outputs.write(paths.OUTPUTS / f"{name}.npz")
    numbers = ", ".join(f"{len(rows):,} {name}" for name, rows in images.items() if len(rows))
    print(f"predict: {numbers} images")


def run_on_stored(
    network: openvino.Model,
    compute: CompiledNetwork,
    folder: Path,
    pixels_sha256: pd.Series,
    *,
    themselves: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits `(images, views, units)` and features `(images, views, channels)`.

    They are float64, for the views that `open_features` opens; `compute` is the compiled network.
    Raises InputError for the same reasons as `open_features`.
    """
    if pixels_sha256.empty:
        logits, features = (np.empty((0, 1, *shape)) for shape in output_shapes(network).values())
        return logits, features
    stored = [
        open_features(folder, [kind], pixels_sha256, themselves=themselves)
        for kind in input_shapes(network)
    ]
    images, views = stored[0].shape[:2]
    results = map_in_threads(partial(run_row, compute, stored), np.ndindex(images, views))
    logits, features = (np.array(values, np.float64) for values in zip(*results))
    return logits.reshape(images, views, -1), features.reshape(images, views, -1)


def run_row(
    compute: CompiledNetwork, stored: list[Features], place: tuple[int, int]
) -> list[np.ndarray]:
    """Return the outputs of the network for the view at a position in the features."""
    image, view = (np.array([number]) for number in place)
    return compute(*(rows[image, view][0].astype(np.float32) for rows in stored))


if __name__ == "__main__":
    run_stage(main)
