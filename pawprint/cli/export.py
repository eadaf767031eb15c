"""The command `export`."""

import argparse
import functools
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.files import md5
from pawprint.git import current_commit
from pawprint.model import exports
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import load_predictor
from pawprint.model.unknown import read_detector
from pawprint.network.model import load_model
from pawprint.params.results import AUGMENTATIONS
from pawprint.pipeline.recorded import Recorded
from pawprint.tables import read_table


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", nargs="+", required=True, choices=tuple(exports.FORMATS), help="one or more"
    )


def run_export(arguments: argparse.Namespace) -> None:
    """Write the trained model in other formats, each in a folder of models/export/ with model.json.

    Every exported model takes float32 RGB pixels, (batch, size, size, 3) in [0, 255], as its input
    `pixels`, and returns the calibrated `probability` of the second of two classes, (batch, 1), or
    of each of more classes, (batch, classes), and the `unknown_score`, (batch, 1). If the served
    model has `test_time_augmentation` flip, these are means over the image and its mirror image;
    crops are left to the caller, as model.json says. Its own runtime runs the model on the test
    images before the folder takes its name. The table compares it with the served model: size,
    largest difference of an output, and test images whose label changes.
    """
    for name in arguments.format:
        exports.require_modules(name)
    predictor = load_predictor(project.SERVED_MODEL)
    images = Recorded().hash_of("predict", project.SPLIT_CSV, "deps") or md5(project.SPLIT_CSV)
    origin = {"data_md5": images, "commit": current_commit()}
    metadata = predictor.metadata.model_copy(update=origin)
    detector = None
    if metadata.unknown_threshold is not None:
        detector = read_detector(project.SERVED_MODEL)
    model = exports.for_export(load_model(project.FINETUNE_MODEL), metadata.temperature, detector)
    test = read_table(project.SPLIT_CSV, SPLIT).query("split == 'test'")
    read = functools.partial(exports.read_pixels, test["path"], metadata)
    served = exports.mean_outputs(predictor.run, read(metadata.test_time_augmentation))
    of_served = labels_of(served, metadata)

    def row(name: str, folder: Path, outputs: exports.NamedOutputs) -> dict:
        files = [file for file in folder.rglob("*") if file.is_file()]
        return {
            "format": name,
            "MB": f"{sum(file.stat().st_size for file in files) / 1e6:.2f}",
            "largest difference": f"{exports.largest_difference(outputs, served):.6f}",
            "changed labels": int((labels_of(outputs, metadata) != of_served).sum()),
        }

    rows = [row("served", project.SERVED_MODEL, served)]
    for name in tqdm(arguments.format, desc="export", unit="format", disable=None):
        folder = project.EXPORT / name
        outputs = exports.export(name, model, metadata, folder, read=read, expected=served)
        rows.append(row(name, folder, outputs))
    print(pd.DataFrame(rows).to_string(index=False))
    if AUGMENTATIONS[how := metadata.test_time_augmentation].places:
        print(f"{how}: average over the squares yourself (docs/use.md#the-served-model)")


def labels_of(outputs: exports.NamedOutputs, metadata: Metadata) -> np.ndarray:
    scores = None if metadata.unknown_threshold is None else outputs["unknown_score"][:, 0]
    return metadata.answers(outputs["probability"], scores)
