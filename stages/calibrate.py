"""Choose test-time augmentation; fit temperature, thresholds and the detector of unknown inputs.

Reads data/raw/archives/, data/split/images.csv, data/split/labels.json and models/network/.
Params: `calibrate`, `augment.RandomFlip`, `model.resize`, `clean.bits`. Writes
models/served/. Run: `python -m stages.calibrate`
"""

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.entry import run_stage
from pawprint.errors import InputError
from pawprint.evaluation.calibration import (
    calibrate,
    choose_augmentation,
    fit_unknown,
    training_images,
)
from pawprint.files import md5, read_json
from pawprint.images.archive import open_archive
from pawprint.images.pixels import squares_of
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.params.results import Calibrate, augmentations, problem_of_threshold
from pawprint.params.section import TestTimeAugmentation
from pawprint.runtime.network_file import read_network
from pawprint.serving.metadata import Metadata
from pawprint.serving.predictor import predict_members, runner
from pawprint.serving.served_model import write_served_model
from pawprint.tables import read_table, spread

MAX_SCORED = 10_000  # validation images whose unknown scores decide the threshold


def main() -> None:
    params, resize, bits = Calibrate.load(), Model.load().resize, Clean.load().bits
    tried = augmentations(params, Augment.load())
    split = read_table(project.SPLIT_CSV, SPLIT)
    labels = read_json(project.LABELS_JSON)
    if problem := problem_of_threshold(params, len(labels)):
        raise InputError(f"params.yaml: {problem}")
    network = read_network(project.NETWORK)
    size = network.input().partial_shape[1].get_length()
    run = runner(network, ("logits", "features"))

    def outputs(image: Image.Image, names: Sequence[TestTimeAugmentation]) -> list[np.ndarray]:
        """The mean logits by each of the test-time augmentations, then the features by each."""
        squares = [squares_of(image, size, resize, name) for name in names]
        ends = np.cumsum([len(each) for each in squares])[:-1]
        of_logits, of_features = run(np.concatenate(squares)).values()
        means = [each.mean(axis=0, dtype=np.float64) for each in np.split(of_logits, ends)]
        return means + np.split(of_features, ends)

    validation, detector, unknown = split[split["split"] == "validation"], None, None
    scored = spread(validation, MAX_SCORED)
    others = validation.drop(scored.index)
    actual = pd.Index(labels).get_indexer(pd.concat([scored, others])["label"])
    with open_archive(project.RAW_ARCHIVES, bits) as archive:
        every = functools.partial(outputs, names=tried)
        found = predict_members(every, archive, scored["path"], "calibrate")
        logits, features = dict(zip(tried, found)), dict(zip(tried, found[len(tried) :]))
        if len(others):  # whose features would take gigabytes
            more = predict_members(
                lambda image: every(image)[: len(tried)], archive, others["path"], "calibrate"
            )
            logits = {name: np.concatenate([logits[name], each]) for name, each in zip(tried, more)}
        augmentation = tried[0]
        if len(tried) > 1:
            augmentation, why = choose_augmentation(actual, logits)
            print(f"calibrate: {why}")
        logits = logits[augmentation]
        if params.unknown_quantile is not None:
            chosen = functools.partial(outputs, names=[augmentation])
            _, training = predict_members(chosen, archive, training_images(split), "detector")
            detector, unknown = fit_unknown(
                training, features[augmentation], params.unknown_quantile
            )
    temperature, threshold = calibrate(params, actual, logits)
    image = {"image_size": size, "resize": resize, "bits": bits}
    image["test_time_augmentation"] = augmentation
    fitted = {"temperature": temperature, "threshold": threshold, "unknown_threshold": unknown}
    metadata = Metadata(labels=labels, **image, **fitted, data_md5=md5(project.SPLIT_CSV))
    write_served_model(network, metadata, detector, project.SERVED_MODEL)
    shown = "" if threshold is None else f"threshold {threshold:g}, "
    print(f"calibrate: temperature {temperature:g}, {shown}test-time augmentation {augmentation}")


if __name__ == "__main__":
    run_stage(main)
