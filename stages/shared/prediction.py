"""A model's probabilities for images of the archive, decoded as `predict.py` decodes them."""

import zipfile

import numpy as np
from tqdm import tqdm

from stages.shared.classifier import Classifier
from stages.shared.images import map_in_threads, open_image, resize


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
