"""The `export` command."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from pawprint.artifacts import Run, open_run, project_name
from pawprint.base import paths
from pawprint.base.columns import SCORES
from pawprint.base.errors import InputError
from pawprint.base.package import install_command
from pawprint.base.paths import PARAMS
from pawprint.base.progress import track
from pawprint.base.tables import read_table
from pawprint.commands import exports
from pawprint.commands.html_page import About, fetch_runtime, whose_weights
from pawprint.model.served_model import is_mirrored
from pawprint.network.extractor import needs_keras
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.keras_backbone import load_backbone
from pawprint.network.keras_model import load_model
from pawprint.network.training import with_head
from pawprint.pipeline.params.model import ONNX, Model, Params
from pawprint.report.pages import describe_score, headline_of, score_of
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.metrics import CATALOGUE
from pawprint.serving.predictor import load_predictor

# The modules that write and check each format, which the `export` extra installs.
FORMATS: dict[str, tuple[str, ...]] = {
    "keras": (),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "page": ("onnx", "onnxruntime", "tf2onnx"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    formats = "write these formats"
    parser.add_argument("--format", nargs="+", required=True, choices=tuple(FORMATS), help=formats)
    size = "let litert take photos of N by N pixels and resize them, such as 224 for Frigate"
    parser.add_argument("--size", type=int, metavar="N", help=size)
    unknown = "let litert return this class, such as none, for photos that the model calls unknown"
    parser.add_argument("--unknown-as", metavar="CLASS", help=unknown)


def run(arguments: argparse.Namespace) -> None:
    """Export the trained model to other formats, each in a folder of models/export/.

    The format `page` is a single HTML file that labels photos in a browser, without a server or an
    internet connection. `litert` takes one photo, uint8 RGB, (1, size, size, 3), and returns the
    `probability` of each class, (1, classes). `keras` and `onnx` have one input, `pixels`: float32
    RGB, (batch, size, size, 3), with values in [0, 255]. They return the calibrated `probability`,
    and the `unknown_score`, (batch, 1). With two classes, `probability`, (batch, 1), refers to the
    second class. With more, it has a column for each class, (batch, classes). If training mirrors
    images left to right, all outputs are averaged over each image and its mirror image.

    Before an export is accepted, it is run with the format's own runtime on the test images, and a
    page on the validation images, too. The table compares the export with the served model: file
    size, largest output difference, and number of images whose label changes.

    Examples:
      pawprint export --format litert onnx
      pawprint export --format page
      pawprint export --format litert --size 224 --unknown-as none
    """
    formats = list(dict.fromkeys(arguments.format))
    if arguments.size is not None and not 32 <= arguments.size <= 1024:
        arguments.error(f"argument --size: expected 32 to 1024. Received: {arguments.size}")
    require_formats(formats, Model.load(path=PARAMS))
    # Before TensorFlow starts, which takes seconds.
    runtime = fetch_runtime() if "page" in formats else {}

    options = arguments.size, arguments.unknown_as
    table, notes = export_model(Path(), formats, runtime, *options)
    print("\n".join([table.to_string(index=False), *notes]))


def require_formats(formats: list[str], model: Model) -> None:
    """Raise InputError if the model cannot be exported, or if a package is missing."""
    if model.backbone == ONNX:
        raise InputError(
            f"--format: cannot export, because model.backbone is {ONNX}. Use models/served, which "
            "OpenVINO runs."
        )
    for name in formats:
        for module in FORMATS[name]:
            if find_spec(module) is None:
                raise InputError(
                    f"{name}: the package {module} is not installed. Run "
                    f"`{install_command('export')}`."
                )


SQUARES = {
    "crop": "from the central square",
    "pad": "with grey borders, so that the whole photo is used",
    "stretch": "without keeping the aspect ratio",
}


def export_model(
    folder: Path,
    formats: Sequence[str],
    runtime: dict[str, bytes],
    size: int | None = None,
    unknown_as: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Write a project's trained model in each format, in a folder of models/export/.

    `runtime` are the files that a page contains, and `size` and `unknown_as` are for LiteRT.
    Returns a table that compares each export with the served model, as text, and notes. Raises
    InputError if this model does not support a format, or if an export differs from it.
    """
    run = open_run(folder)
    trained = read_trained(run, ("validation", "test") if "page" in formats else ("test",))
    labels = trained.metadata.labels
    if unknown_as and (unknown_as not in labels or trained.metadata.unknown_threshold is None):
        raise InputError(
            f"--unknown-as: expected one of the classes {', '.join(labels)}, and a model with "
            f"calibrate.unknown_quantile. Received: {unknown_as}"
        )
    writers: dict[str, Callable[[exports.Trained], exports.Compared]] = {
        "keras": exports.write_keras,
        "litert": partial(exports.write_litert, size=size, unknown_as=unknown_as),
        "onnx": exports.write_onnx,
        "page": lambda of: exports.write_page(of, describe_page(run), runtime),
    }
    served = exports.Compared(folder / paths.SERVED_MODEL, 0, 0)
    rows = [served, *(writers[name](trained) for name in track(formats, "export", unit="format"))]
    table = pd.DataFrame(
        {
            "format": row.folder.name,
            "MB": f"{sum(file.stat().st_size for file in row.folder.iterdir()) / 1e6:.2f}",
            "largest difference": f"{row.difference:.6f}",
            "changed labels": row.changed,
        }
        for row in rows
    )
    return table, [row.note for row in rows if row.note]


def read_trained(run: Run, splits: Sequence[str]) -> exports.Trained:
    """Rebuild a run's trained model, and run the served model on the images of these splits."""
    predictor = load_predictor(run.folder / paths.SERVED_MODEL)
    metadata = run.metadata
    trained = keras_model(run.folder, run.params, len(metadata.labels))
    model = exports.for_export(trained, metadata.temperature, run.detector)
    if predictor.compiled and is_mirrored(predictor.compiled.network):
        model = exports.mean_over_flip(model)
    photos = run.split.loc[run.split["split"].isin(splits), "path"]
    archives = run.folder / paths.RAW_ARCHIVES
    expected = exports.all_outputs(predictor.run, exports.read_pixels(archives, photos, metadata))
    folder = run.folder / paths.EXPORT
    return exports.Trained(model, metadata, folder, archives, photos, expected)


def keras_model(folder: Path, params: Params, classes: int) -> keras.Model:
    """Return a project's Keras model, from pixels to the head's output.

    If the stage prepared the backbone without Keras, the backbone is built again from
    `weights.source`. Raises InputError if this file, or a file of the run, is missing.
    """
    if (folder / paths.TRAINED_MODEL).exists():
        return load_model(folder / paths.TRAINED_MODEL)
    weights = params.weights.in_folder(folder)
    if needs_keras(params.model, weights):
        backbone = load_model(folder / paths.BACKBONE)
    else:
        backbone = load_backbone(params.model, weights)
    head = HeadWeights.read(folder / paths.HEAD)
    model, _ = with_head(backbone, params.model, head, params.head, classes)
    return model


def describe_page(run: Run) -> About:
    """Return the description of a run's model for its page."""
    metadata = run.metadata
    scores = read_table(run.folder / paths.SCORES_CSV, SCORES)
    names = dict.fromkeys(("accuracy", headline_of(scores)))
    measured = [
        f"{CATALOGUE[name].title} {describe_score(score_of(scores, 'test', name))}"
        for name in names
    ]
    size = metadata.image_size
    facts = {
        "Classes": ", ".join(metadata.labels),
        "Test scores": f"{'; '.join(measured)}. Measured on photos that were not used for "
        f"training; the ranges are {CONFIDENCE:.0%} confidence intervals",
        "Commit": metadata.commit or "none",
        "Model": metadata.model or "none",
        "Photos": f"resized to {size} by {size} pixels, {SQUARES[metadata.resize]}",
    }
    if metadata.unknown_threshold is not None:
        facts["Unknown"] = (
            "label of photos unlike the training photos: unknown score above "
            f"{metadata.unknown_threshold:.4g}"
        )
    whose = whose_weights(run.params.model, run.params.weights)
    return About(project_name(run.folder), facts, whose)
