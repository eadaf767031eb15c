"""A model's probabilities for images of the archive, decoded as `predict.py` decodes them."""

import zipfile

import numpy as np
from tqdm import tqdm

from stages.shared.images import map_in_threads, open_image, resize
from stages.shared.inference import compile_network
from stages.shared.network import Trained


def predict_rows(
    trained: Trained, archive: zipfile.ZipFile, rows: list[dict], name: str
) -> np.ndarray:
    """float64 `(len(rows),)`: the probability of the second class for the image at each `path`.

    `name` is what the progress bar says.
    """
    size, run = trained.model.input_shape[1], compile_network(trained.model)

    def predict_row(row: dict) -> float:
        (probability,) = run(resize(open_image(archive, row["path"]), size, trained.resize))
        return float(probability[0])

    predicted = map_in_threads(predict_row, rows)
    return np.array(list(tqdm(predicted, total=len(rows), desc=name, unit="image", disable=None)))
