"""Train what one might write instead of a pipeline: a regression on a network's embeddings.

There is no cleaning, no split except the folders, no calibration, no detection of unknown photos
and no report, and nothing is stored for a second run. Photos are stretched to a square. The network
is EfficientNet-Lite0 as an ONNX file. It maps pixels `(batch, 224, 224, 3)`, scaled by (x - 127) /
128, to the means of its last maps. `python -m bench.compare --embeddings` creates this file, and
compares this script with `dvc repro`.
"""

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SIZE, BATCH_SIZE = 224, 32


def read(path: Path) -> np.ndarray:
    """Return a photo as the network expects it, float32 `(size, size, 3)`."""
    with Image.open(path) as image:
        square = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return (np.asarray(square, np.float32) - 127) / 128


def embed(network: onnxruntime.InferenceSession, photos: Sequence[Path]) -> np.ndarray:
    """Return the embeddings of photos, float32 `(photos, features)`."""
    (pixels,) = network.get_inputs()
    embeddings = []
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(photos), BATCH_SIZE):
            batch = np.stack([*threads.map(read, photos[start : start + BATCH_SIZE])])
            embeddings += network.run(None, {pixels.name: batch})
    return np.concatenate(embeddings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder with train/CLASS/ and validation/CLASS/")
    parser.add_argument("network", type=Path, help="ONNX file")
    arguments = parser.parse_args()
    network = onnxruntime.InferenceSession(arguments.network, providers=["CPUExecutionProvider"])
    rows, labels = {}, {}
    for split in ("train", "validation"):
        print(f"Running stage 'embeddings of {split}'", flush=True)  # in the same format as DVC
        photos = sorted((arguments.photos / split).glob("*/*.jpg"))
        rows[split], labels[split] = embed(network, photos), [path.parent.name for path in photos]
    print("Running stage 'regression'", flush=True)
    by_folds = LogisticRegressionCV(
        Cs=8, l1_ratios=(0,), max_iter=2000, scoring="neg_log_loss", use_legacy_attributes=False
    )
    model = make_pipeline(StandardScaler(), by_folds).fit(rows["train"], labels["train"])
    probabilities = model.predict_proba(rows["validation"])
    actual, predicted = labels["validation"], model.classes_[probabilities.argmax(axis=1)]
    scores = {
        "accuracy": accuracy_score(actual, predicted),
        "loss": log_loss(actual, probabilities),
    }
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
