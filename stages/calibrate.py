"""Fit the temperature and choose the thresholds on validation; write the served model.

The detector of unknown inputs is fitted on training images without augmentation.

Reads data/raw/archives/, data/split/images.csv and models/network/. Params: `calibrate`,
`model.resize`. Writes models/served/. Run: `python -m stages.calibrate`
"""

import numpy as np
import pandas as pd
from PIL import Image

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.errors import InputError
from pawprint.core.files import md5
from pawprint.core.params.calibrate import Calibrate, problem_of_threshold
from pawprint.core.params.model import Model
from pawprint.core.tables import SPLIT, read_table
from pawprint.evaluation.temperature import fit_temperature, probabilities_of
from pawprint.evaluation.threshold import choose_threshold
from pawprint.images.archive import open_archive
from pawprint.images.resizing import resize
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import read_network
from pawprint.serving.metadata import Metadata
from pawprint.serving.predictor import predict_members
from pawprint.serving.served_model import write_served_model
from pawprint.serving.unknown import choose_unknown_threshold, fit_detector
from pawprint.serving.views import views_of

DETECTOR_IMAGES = 10_000  # that the detector is fitted on, at most: those with the lowest hashes


def main() -> None:
    params, model = Calibrate.load(), Model.load()
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    labels = sorted(split["label"].unique())  # alphabetical, as in training
    if problem := problem_of_threshold(params, len(labels)):
        raise InputError(f"params.yaml: {problem}")
    validation = split[split["split"] == "validation"]
    quantile = params.unknown_quantile
    network = read_network(paths.NETWORK)
    size = network.input().partial_shape[1].get_length()
    compute = compile_for_cpu(network)
    detector = None

    def features_of(image: Image.Image) -> np.ndarray:
        return compute(resize(image, size, model.resize))[1]

    def logits_and_score(image: Image.Image) -> np.ndarray:
        views = views_of(image, size, model.resize, params.views)
        logits, features = map(np.stack, zip(*map(compute, views)))
        return np.column_stack([logits, detector.score(features)]) if detector else logits

    with open_archive(paths.RAW_ARCHIVES) as archive:
        if quantile is not None:
            train = split[split["split"] == "train"].sort_values("pixels_sha256")[:DETECTOR_IMAGES]
            features = predict_members(features_of, archive, train["path"], "detector")
            detector = fit_detector(features)
        outputs = predict_members(logits_and_score, archive, validation["path"], "calibrate")
    units = network.output(0).partial_shape[1].get_length()
    logits, scores = outputs[..., :units], outputs[..., units:].mean(axis=1)
    actual = pd.Index(labels).get_indexer(validation["label"])
    temperature = fit_temperature(actual, logits) if params.temperature else 1.0
    threshold = params.threshold
    if threshold is None and len(labels) == 2:
        _, second = probabilities_of(logits, temperature).T
        threshold = choose_threshold(actual, second, params.recall)
    unknown_threshold = choose_unknown_threshold(scores[:, 0], quantile) if detector else None
    metadata = Metadata(
        labels=labels,
        image_size=size,
        resize=model.resize,
        temperature=temperature,
        threshold=threshold,
        views=params.views,
        unknown_threshold=unknown_threshold,
        data_md5=md5(paths.SPLIT_IMAGES),
    )
    write_served_model(network, metadata, detector, paths.SERVED_MODEL)
    predicted = f"; {labels[1]} from a probability of {threshold:.3f}" if threshold else ""
    print(f"calibrate: temperature {temperature:.3f}{predicted}")
    if detector:
        refused = int((scores > unknown_threshold).sum())
        print(
            f"calibrate: unknown above a score of {unknown_threshold:g}, "
            f"{refused} of {len(scores)} validation images"
        )


if __name__ == "__main__":
    run_stage(main)
