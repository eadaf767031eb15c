"""Heads on stored features, of all images or a part: `python -m bench.heads FOLDER`.

The folder is a project with features, such as build/growth/100000-2/workspace of `bench.growth`.
Prints the validation loss and accuracy of a head that Adam trains in batches from all training
images, and of logistic regressions of random parts, with the C that has the lowest validation loss.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.features.store import open_examples
from pawprint.files import read_json
from pawprint.network.solved_head import measure
from pawprint.network.training import train_stored_head
from pawprint.params.training import IN_BATCHES, Hardware, Head
from pawprint.tables import read_table

VALUES_OF_C = (0.001, 0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[6000, 20_000])
    arguments = parser.parse_args()
    os.chdir(arguments.folder)
    split, labels = read_table(project.SPLIT_CSV, SPLIT), read_json(project.LABELS_JSON)
    settings = IN_BATCHES, Head.load(), Hardware.load()
    _, metrics, _ = train_stored_head(project.FEATURES, split, labels, *settings)
    print("| head | loss | accuracy |\n|---|---|---|")
    cells = "{loss:.3f} | {accuracy:.1%} |"
    print("| by Adam, of all images |", cells.format(**metrics["validation"]))
    (train, actual), (validation, expected) = (
        open_examples(project.FEATURES, "top", split, name, labels)
        for name in ("train", "validation")
    )
    held_out = validation[np.arange(len(expected)), np.zeros(len(expected), int)]
    order = np.random.default_rng(0).permutation(len(actual))
    for images in arguments.images:
        part = order[:images]
        rows = train[part, np.zeros(len(part), int)].reshape(len(part), -1).astype(np.float32)
        mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
        others = (held_out.reshape(len(expected), -1) - mean) / scale
        found = []
        for c in VALUES_OF_C:
            model = LogisticRegression(C=c, max_iter=1000).fit((rows - mean) / scale, actual[part])
            probabilities = np.zeros((len(expected), len(labels)), np.float32)
            probabilities[:, model.classes_] = model.predict_proba(others)
            found.append(measure(probabilities, expected))
        best = min(found, key=lambda each: each["loss"])
        print(f"| by regression, of {images:,} images |", cells.format(**best))


if __name__ == "__main__":
    main()
