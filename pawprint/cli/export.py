"""The command `export`."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.errors import InputError, name_some
from pawprint.files import md5
from pawprint.git import current_commit
from pawprint.model import exports
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import load_predictor
from pawprint.model.unknown import Detector, read_detector
from pawprint.network.backbone import load_whole, onnx_file
from pawprint.network.hardware import keras
from pawprint.network.head_weights import HeadWeights
from pawprint.network.model import load_model
from pawprint.params.data import Augment
from pawprint.params.model import ONNX, Model, Weights
from pawprint.params.training import Head
from pawprint.pipeline.recorded import Recorded
from pawprint.tables import read_table


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", nargs="+", required=True, choices=tuple(exports.FORMATS), help="one or more"
    )
    parser.add_argument(
        "--single",
        action="store_true",
        help="of the image alone, where the served model takes the mean over it and its mirror "
        "image: half of the time",
    )


def run_export(arguments: argparse.Namespace) -> None:
    """Write the trained model in other formats, each in a folder of models/export/ with model.json.

    Every exported model takes float32 RGB pixels, (batch, size, size, 3) in [0, 255], as its input
    `pixels`, and returns the calibrated `probability` of the second of two classes, (batch, 1), or
    of each of more classes, (batch, classes), and the `unknown_score`, (batch, 1). Where training
    mirrors images left to right, these are means over the image and its mirror image, unless
    `--single` is given. Its own runtime runs the model on the test images before the folder takes
    its name. The table compares it with the served model: size, largest difference of an output,
    and test images whose label changes; with `--single` validation and test images.
    """
    is_of_keras = Model.load().backbone != ONNX
    for name in arguments.format:
        if not is_of_keras and name != ONNX:
            raise InputError(
                f"--format: expected {ONNX}, because model.backbone is {ONNX}, which has no "
                f"layers of Keras. Received: {name}"
            )
        exports.require_modules(name, is_of_keras=is_of_keras)
    predictor = load_predictor(project.SERVED_MODEL, mirrored=not arguments.single)
    images = Recorded().hash_of("predict", project.SPLIT_CSV, "deps") or md5(project.SPLIT_CSV)
    origin = {"data_md5": images, "commit": current_commit()}
    metadata = predictor.metadata.model_copy(update=origin)
    detector = None
    if metadata.unknown_threshold is not None:
        detector = read_detector(project.SERVED_MODEL)
    is_mirrored = Augment.load().is_mirrored and not arguments.single
    model = _model_to_export(metadata, detector, is_mirrored)
    splits = ("validation", "test") if arguments.single else ("test",)
    rows = read_table(project.SPLIT_CSV, SPLIT)
    paths = rows.loc[rows["split"].isin(splits), "path"]
    expected = exports.all_outputs(predictor.run, exports.read_pixels(paths, metadata))
    served = expected
    if arguments.single:
        both = load_predictor(project.SERVED_MODEL)
        served = exports.all_outputs(both.run, exports.read_pixels(paths, metadata))
    labels = labels_of(served, metadata)
    table = [describe("served", project.SERVED_MODEL, served, expected, "")]
    for name in tqdm(arguments.format, desc="export", unit="format", disable=None):
        folder = project.EXPORT / name
        pixels = exports.read_pixels(paths, metadata)
        outputs = exports.export(name, model, metadata, folder, images=pixels, expected=expected)
        changed = int((labels_of(outputs, metadata) != labels).sum())
        table.append(describe(name, folder, outputs, expected, changed))
    print(pd.DataFrame(table).to_string(index=False))
    if arguments.single:
        print(describe_single(paths, labels, labels_of(expected, metadata)))


def _model_to_export(
    metadata: Metadata, detector: Detector | None, is_mirrored: bool
) -> keras.Model | Callable[[Path], None]:
    params = Model.load()
    if params.backbone == ONNX:
        # The package onnx comes with the extra `export`.
        from pawprint.model.onnx_export import Parts, write_onnx

        weights = HeadWeights.read(project.HEAD)
        parts = Parts(weights, Head.load(), metadata.temperature, detector)
        return partial(write_onnx, onnx_file(Weights.load()), params, parts, is_mirrored)
    model = exports.for_export(_trained_model(metadata, params), metadata.temperature, detector)
    return exports.mean_over_flip(model) if is_mirrored else model


def _trained_model(metadata: Metadata, params: Model) -> keras.Model:
    """The model of Keras: of pixels to what its head gives."""
    if project.TRAINED_MODEL.exists():
        return load_model(project.TRAINED_MODEL)
    weights = HeadWeights.read(project.HEAD)
    model, _ = load_whole(project.BACKBONE, params, weights, Head.load(), len(metadata.labels))
    return model


def describe(
    name: str,
    folder: Path,
    outputs: exports.NamedOutputs,
    expected: exports.NamedOutputs,
    changed: int | str,
) -> dict:
    """Return the row of a model in the table."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        "format": name,
        "MB": f"{sum(file.stat().st_size for file in files) / 1e6:.2f}",
        "largest difference": f"{exports.largest_difference(outputs, expected):.6f}",
        "changed labels": changed,
    }


def describe_single(paths: pd.Series, labels: np.ndarray, single: np.ndarray) -> str:
    """Return which labels change where the image is taken alone."""
    changes = [
        f"{path} ({before}, then {after})"
        for path, before, after in zip(paths, labels, single)
        if before != after
    ]
    which = f": {name_some(changes)}" if changes else ""
    return f"{len(changes):,} of {len(paths):,} held-out images get another label{which}"


def labels_of(outputs: exports.NamedOutputs, metadata: Metadata) -> np.ndarray:
    scores = None if metadata.unknown_threshold is None else outputs["unknown_score"][:, 0]
    return metadata.answers(outputs["probability"], scores)
