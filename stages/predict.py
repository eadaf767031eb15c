"""Run the final network on every held-out image, once.

Fits the detector of unknown inputs on training images first. Reads data/raw/archives/,
data/split/images.csv, data/split/labels.json, data/clean/unknown.csv and models/network/. Params:
`calibrate.test_time_augmentation`, `augment.RandomFlip`, `clean.bits`, `model.resize`. Writes
data/outputs/: the outputs for training, validation, test and unknown images, and the detector.
Run: `python -m stages.predict`
"""

import numpy as np
import openvino
import pandas as pd
from PIL import Image

from pawprint import project
from pawprint.classes import UNKNOWN
from pawprint.columns import IMAGES, SPLIT
from pawprint.files import read_json, write_arrays
from pawprint.images.archive import open_archive
from pawprint.images.formats import side_for
from pawprint.model.outputs import Outputs
from pawprint.model.predictor import predict_members, runner, squares_of
from pawprint.model.unknown import DETECTOR_FILE, DETECTOR_IMAGES, fit_unknown, with_detector
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.params.results import AUGMENTATIONS, Calibrate, TestTimeAugmentation, augmentations
from pawprint.pipeline.entry import run_stage
from pawprint.runtime import read_network
from pawprint.tables import read_table, training_images


def main() -> None:
    # The last one to try has the squares of those before it.
    augmentation = augmentations(Calibrate.load(), Augment.load())[-1]
    resize, labels = Model.load().resize, pd.Index(read_json(project.LABELS_JSON))
    split = read_table(project.SPLIT_CSV, SPLIT)
    images = {name: split[split["split"] == name] for name in ("validation", "test")}
    unknown = read_table(project.UNKNOWN_CSV, IMAGES)
    if len(unknown):
        images[UNKNOWN] = unknown
    network = read_network(project.NETWORK)
    size = network.input().partial_shape[1].get_length()
    side = side_for(size)

    def outputs(
        network: openvino.Model, how: TestTimeAugmentation, rows: pd.DataFrame, title: str
    ) -> list[np.ndarray]:
        """The index of the label of each image, and the two outputs, `(images, squares, …)`."""
        run = runner(network, ("logits", "other"))

        def of_image(image: Image.Image) -> list[np.ndarray]:
            return [*run(squares_of(image, size, resize, how)).values()]

        actual = labels.get_indexer(rows["label"])
        return [actual, *predict_members(of_image, archive, side, rows["path"], title)]

    with open_archive(project.RAW_ARCHIVES, Clean.load().bits) as archive:
        train = training_images(split, DETECTOR_IMAGES)
        # Of one square the mirror image adds little.
        how = augmentation if AUGMENTATIONS[augmentation].places else "none"
        actual, logits, features = outputs(network, how, train, "detector")
        detector, scores = fit_unknown(features)
        Outputs(actual, logits, scores).write(project.OUTPUTS / "train.npz")
        write_arrays(project.OUTPUTS / DETECTOR_FILE, **detector._asdict())
        scorer = with_detector(network, detector)
        for name, rows in images.items():
            actual, logits, scores = outputs(scorer, augmentation, rows, f"predict {name}")
            of_rows = Outputs(actual, logits, scores[..., 0])
            of_rows.write(project.OUTPUTS / f"{name}.npz")
    if UNKNOWN not in images:  # which `evaluate` reads all the same
        of_none = Outputs(*(array[:0] for array in of_rows))
        of_none.write(project.OUTPUTS / f"{UNKNOWN}.npz")
    numbers = ", ".join(f"{len(rows):,} {name}" for name, rows in images.items())
    print(f"predict: {numbers} images")


if __name__ == "__main__":
    run_stage(main)
