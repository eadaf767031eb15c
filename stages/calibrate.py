"""Fit temperature, thresholds and the detector of unknown inputs; write the served model.

Reads data/raw/archives/, data/split/images.csv, data/split/labels.json and models/network/.
Params: `calibrate`,
`augment.RandomFlip`, `model.resize`. Writes models/served/. Run: `python -m stages.calibrate`
"""

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.entry import run_stage
from pawprint.errors import InputError
from pawprint.evaluation.calibration import augmentation_is_worse, calibrate
from pawprint.evaluation.unknown import fit_unknown, training_images
from pawprint.files import md5, read_json
from pawprint.images.archive import open_archive
from pawprint.images.pixels import squares_of
from pawprint.params.augment import Augment
from pawprint.params.calibrate import Calibrate, augmentation_at_prediction, problem_of_threshold
from pawprint.params.model import Model
from pawprint.runtime.network_file import read_network
from pawprint.serving.metadata import Metadata
from pawprint.serving.predictor import predict_members, runner
from pawprint.serving.served_model import write_served_model
from pawprint.tables import read_table


def main() -> None:
    params, resize = Calibrate.load(), Model.load().resize
    augmentation = augmentation_at_prediction(params, Augment.load())
    split = read_table(project.SPLIT_CSV, SPLIT)
    labels = read_json(project.LABELS_JSON)
    if problem := problem_of_threshold(params, len(labels)):
        raise InputError(f"params.yaml: {problem}")
    network = read_network(project.NETWORK)
    size = network.input().partial_shape[1].get_length()
    run = runner(network, ("logits", "features"))

    def outputs(image: Image.Image) -> list[np.ndarray]:
        squares = squares_of(image, size, resize, augmentation)
        return [each.astype(np.float64) for each in run(squares).values()]

    validation, detector, unknown = split[split["split"] == "validation"], None, None
    actual = pd.Index(labels).get_indexer(validation["label"])
    with open_archive(project.RAW_ARCHIVES) as archive:
        logits, features = predict_members(outputs, archive, validation["path"], "calibrate")
        is_tried = params.test_time_augmentation == "auto" and augmentation == "flip"
        if is_tried and augmentation_is_worse(actual, logits):
            augmentation, logits, features = "none", logits[:, :1], features[:, :1]
        if params.unknown_quantile is not None:
            train = training_images(split)
            _, training = predict_members(outputs, archive, train, "detector")
            detector, unknown = fit_unknown(training, features, params.unknown_quantile)
    temperature, threshold = calibrate(params, actual, logits)
    image = {"image_size": size, "resize": resize, "test_time_augmentation": augmentation}
    fitted = {"temperature": temperature, "threshold": threshold, "unknown_threshold": unknown}
    metadata = Metadata(labels=labels, **image, **fitted, data_md5=md5(project.SPLIT_CSV))
    write_served_model(network, metadata, detector, project.SERVED_MODEL)
    shown = "" if threshold is None else f"threshold {threshold:g}, "
    print(f"calibrate: temperature {temperature:g}, {shown}test-time augmentation {augmentation}")


if __name__ == "__main__":
    run_stage(main)
