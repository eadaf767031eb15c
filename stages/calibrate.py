"""Fit temperature, thresholds and the detector of unknown inputs; write the served model.

Reads data/raw/archives/, data/split/images.csv and models/network/. Params: `calibrate`,
`augment.RandomFlip`, `model.resize`. Writes models/served/. Run: `python -m stages.calibrate`
"""

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.entry import run_stage
from pawprint.errors import InputError
from pawprint.evaluation.calibration import (
    calibrate,
    choose_threshold,
    probabilities_of,
    views_are_worse,
)
from pawprint.files import md5
from pawprint.images.archive import open_archive
from pawprint.images.pixels import views_of
from pawprint.params.augment import Augment
from pawprint.params.calibrate import Calibrate, problem_of_threshold, views_at_prediction
from pawprint.params.model import Model
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.network_file import read_network
from pawprint.serving.predictor import predict_members
from pawprint.serving.served_model import Metadata, write_served_model
from pawprint.serving.unknown import fit_unknown, training_images
from pawprint.tables import read_table


def main() -> None:
    params, resize = Calibrate.load(), Model.load().resize
    views = views_at_prediction(params, Augment.load())
    split = read_table(project.SPLIT_CSV, SPLIT)
    labels = sorted(split["label"].unique())  # alphabetical, as in training
    if problem := problem_of_threshold(params, len(labels)):
        raise InputError(f"params.yaml: {problem}")
    compute = compile_for_cpu(network := read_network(project.NETWORK))
    size = network.input().partial_shape[1].get_length()

    def outputs_of(image: Image.Image) -> np.ndarray:
        return np.stack([np.hstack(compute(view)) for view in views_of(image, size, resize, views)])

    detector = unknown = None
    with open_archive(project.RAW_ARCHIVES) as archive:
        validation = split[split["split"] == "validation"]
        outputs = predict_members(outputs_of, archive, validation["path"], "calibrate")
        units = network.output(0).partial_shape[1].get_length()
        actual = pd.Index(labels).get_indexer(validation["label"])
        is_tried = params.views == "auto" and views == "flip"
        if is_tried and views_are_worse(actual, outputs[..., :units]):
            views, outputs = "one", outputs[:, :1]
        logits, features = np.split(outputs, [units], axis=2)
        if params.unknown_quantile is not None:
            train = training_images(split)
            of_train = predict_members(outputs_of, archive, train, "detector")[..., units:]
            detector, unknown = fit_unknown(of_train, features, params.unknown_quantile)
    temperature = calibrate(actual, logits) if params.temperature else 1.0
    threshold = None
    if units == 1:
        _, second = probabilities_of(logits, temperature).T
        threshold = params.threshold or choose_threshold(actual, second, params.recall)
    fitted = {"temperature": temperature, "threshold": threshold, "unknown_threshold": unknown}
    image = {"image_size": size, "resize": resize, "views": views}
    metadata = Metadata(labels=labels, **image, **fitted, data_md5=md5(project.SPLIT_CSV))
    write_served_model(network, metadata, detector, project.SERVED_MODEL)
    of_second = "" if threshold is None else f"threshold {threshold:g}, "
    print(f"calibrate: temperature {temperature:g}, {of_second}views {views}")


if __name__ == "__main__":
    run_stage(main)
