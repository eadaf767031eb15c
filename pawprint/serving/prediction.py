"""A model's probabilities for images of the archive, decoded as `predict.py` decodes them."""

import zipfile

import numpy as np
from tqdm import tqdm

from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.serving.classifier import Classifier


def predict_rows(
    classifier: Classifier, archive: zipfile.ZipFile, rows: list[dict], name: str
) -> np.ndarray:
    """float64 `(len(rows),)`: the probability of the second class for the image at each `path`.

    `name` is what the progress bar says.
    """

    def predict_row(row: dict) -> float:
        image = open_image(archive, row["path"])
        return classifier.run(resize(image, classifier.size, classifier.resize))

    predicted = map_in_threads(predict_row, rows)
    return np.array(list(tqdm(predicted, total=len(rows), desc=name, unit="image", disable=None)))
