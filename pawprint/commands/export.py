"""The command `export`."""

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint import paths
from pawprint.classes import UNKNOWN, log_losses
from pawprint.columns import SCORES, SPLIT
from pawprint.errors import InputError, name_some, silent_stderr
from pawprint.files import md5, write_text
from pawprint.git import current_commit
from pawprint.model import exports
from pawprint.model.calibration import read_detector
from pawprint.model.exports import (
    CALIBRATION_IMAGES,
    INT8,
    identity_of_int8,
    milliseconds,
    write_int8,
)
from pawprint.model.metadata import Metadata
from pawprint.model.page import About, fetch_runtime, page_of, whose_weights, with_half_weights
from pawprint.model.predictor import load_predictor
from pawprint.network.backbone import load_backbone, with_head
from pawprint.network.extractor import needs_keras
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.model import load_model
from pawprint.network.weights_file import onnx_file
from pawprint.params.data import Augment
from pawprint.params.model import ONNX, Head, Model, Weights
from pawprint.pipeline.recorded import Recorded
from pawprint.progress import track
from pawprint.reports.pages import describe_score, headline_of, project_name, score_of
from pawprint.scores.intervals import CONFIDENCE, fraction_interval, independent_counts
from pawprint.scores.metrics import CATALOGUE
from pawprint.tables import read_table, spread

LITERT = "litert"
PAGE = "page"
SERVED = "served"
HALF_TOLERANCE = 0.002  # maximum difference of outputs with 16-bit weights
FEW = 20  # number of images on which the page is run once more
SQUARES = {
    "crop": "the middle is used",
    "pad": "the whole photo between two grey borders",
    "stretch": "the whole photo, with another aspect ratio",
}
MOST_CHANGED = 0.01  # fraction of labels that the 8-bit model may change without a warning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    formats = "write these formats"
    parser.add_argument(
        "--format", nargs="+", required=True, choices=tuple(exports.FORMATS), help=formats
    )
    single = (
        "predict from the image alone, in half the time, if the served model averages an image and "
        "its mirror image"
    )
    parser.add_argument("--single", action="store_true", help=single)
    int8 = "also write LiteRT with 8-bit convolutions, and print the cost in accuracy"
    parser.add_argument("--int8", action="store_true", help=int8)


def run(arguments: argparse.Namespace) -> None:
    """Export the trained model to other formats, in folders of models/export/ with a model.json.

    The format `page` is a single HTML file that labels photos in a browser, without a server or a
    network. All other models have one input, `pixels`: float32 RGB, (batch, size, size, 3), with
    values in [0, 255]. They return the calibrated `probability`, and the `unknown_score`, (batch,
    1). With two classes, `probability` is that of the second class, (batch, 1). With more, it has a
    column for each class, (batch, classes). If training mirrors images left to right, both outputs
    are averaged over each image and its mirror image, unless `--single` is given.

    Before an export is accepted, it is run with the format's own runtime on the test images. With
    `--single`, `--int8` or a page, it is also run on the validation images. The table compares it
    with the served model: its size, the largest difference of an output, and the number of images
    with a different label.

    `--int8` also writes litert_int8, which is calibrated on training images. Because its outputs
    differ from those of the served model, the table then includes the log loss and the time per
    image.

    Examples:
      pawprint export --format litert onnx
      pawprint export --format litert --int8
      pawprint export --format page
    """
    formats = _formats(arguments)
    predictor = load_predictor(paths.SERVED_MODEL, mirrored=not arguments.single)
    metadata = _with_origin(predictor.metadata)
    model = _model_to_export(metadata, Augment.load().is_mirrored and not arguments.single)
    split = read_table(paths.SPLIT_CSV, SPLIT)
    has_validation = arguments.single or arguments.int8 or PAGE in formats
    rows = split[split["split"].isin(("validation", "test") if has_validation else ("test",))]
    photos = rows["path"]
    expected = exports.all_outputs(predictor.run, exports.read_pixels(photos, metadata))
    outputs = {SERVED: expected}
    if arguments.single:
        both = load_predictor(paths.SERVED_MODEL)
        outputs[SERVED] = exports.all_outputs(both.run, exports.read_pixels(photos, metadata))
    notes: list[str] = []
    for name in track(formats, "export", unit="format"):
        folder = paths.EXPORT / name
        reference = exports.Reference(exports.read_pixels(photos, metadata), expected)
        if name == INT8:
            train = split.loc[split["split"] == "train", "path"]
            outputs[name] = _export_int8(model, metadata, train, folder, reference)
        elif name == PAGE:
            outputs[name] = _export_page(model, metadata, photos, expected, notes)
        else:
            outputs[name] = exports.export(name, model, metadata, folder, reference)
    labels = {name: labels_of(of_model, metadata) for name, of_model in outputs.items()}
    table = pd.DataFrame(
        describe(name, outputs[name], expected, (labels[name] != labels[SERVED]).sum())
        for name in outputs
    )
    in_float32 = labels_of(expected, metadata)
    if arguments.single:
        notes.append(describe_new_labels(photos, labels[SERVED], in_float32))
    if arguments.int8:
        table["log loss"] = _log_losses(outputs.values(), rows["label"], metadata)
        table["ms"] = ["", *_times(formats, photos, metadata)]
        notes.append(describe_int8(rows, in_float32, labels[INT8], CONFIDENCE))
    print("\n".join([table.to_string(index=False), *notes]))


def _formats(arguments: argparse.Namespace) -> list[str]:
    """Return the formats to write, without repetitions. Raises InputError for an impossible one."""
    is_of_keras = Model.load().backbone != ONNX
    if arguments.int8 and not is_of_keras:
        raise InputError(f"--int8: expected a Keras network. Received: model.backbone is {ONNX}")
    formats = list(dict.fromkeys(arguments.format))
    for name in formats:
        if arguments.int8 and name != LITERT:
            raise InputError(f"--int8: expected --format {LITERT} alone. Received: {name}")
        if not is_of_keras and name not in (ONNX, PAGE):
            raise InputError(
                f"--format: expected {ONNX} or {PAGE}, because model.backbone is {ONNX}, which "
                f"has no Keras layers. Received: {name}"
            )
        exports.require_modules(name, is_of_keras=is_of_keras)
    return [*formats, INT8] if arguments.int8 else formats


def _with_origin(metadata: Metadata) -> Metadata:
    """Add the images and the commit that the model comes from to the metadata."""
    images = Recorded().hash_of("predict", paths.SPLIT_CSV, "deps") or md5(paths.SPLIT_CSV)
    return metadata.model_copy(update={"data_md5": images, "commit": current_commit()})


def _export_int8(
    model: keras.Model,
    metadata: Metadata,
    train: pd.Series,
    folder: Path,
    reference: exports.Reference,
) -> exports.NamedOutputs:
    """Write the 8-bit model, whose outputs may differ from those of the served model."""
    images = list(exports.read_pixels(spread(train, CALIBRATION_IMAGES), metadata))
    identity = metadata.model and identity_of_int8(metadata.model)
    described = metadata.model_copy(update={"model": identity})
    write = partial(write_int8, model, images)
    return exports.export(LITERT, write, described, folder, reference._replace(tolerance=np.inf))


def _export_page(
    model: keras.Model | Callable[[Path], None],
    metadata: Metadata,
    photos: pd.Series,
    expected: exports.NamedOutputs,
    notes: list[str],
) -> exports.NamedOutputs:
    """Write the page of a model, add a line about its size to `notes`, and return its outputs.

    Large arrays are stored as float16 if this does not change the label of any image in `photos`.
    """
    runtime = fetch_runtime()
    about = describe_page(metadata)
    network = exports.onnx_of(model)
    small = with_half_weights(network)
    run = exports.one_by_one(exports.open_onnx(small))
    outputs = exports.all_outputs(run, exports.read_pixels(photos, metadata))
    changed = (labels_of(outputs, metadata) != labels_of(expected, metadata)).sum()
    difference = exports.largest_difference(outputs, expected)
    is_half = changed == 0 and difference <= HALF_TOLERANCE
    half, whole = (page_of(each, metadata, about, runtime) for each in (small, network))
    # Its network has already been run on all of them.
    few = photos.iloc[:FEW] if is_half else photos
    reference = exports.Reference(
        exports.read_pixels(few, metadata),
        {name: values[: len(few)] for name, values in expected.items()},
        HALF_TOLERANCE if is_half else exports.TOLERANCE,
    )
    write = partial(_write_page, half if is_half else whole)
    of_page = exports.export(PAGE, write, metadata, paths.EXPORT / PAGE, reference)
    notes.append(
        f"page: {16 if is_half else 32}-bit weights. 16 bits take {len(half) / 1e6:.1f} MB and "
        f"change {changed:,} of {len(photos):,} labels, and outputs by up to {difference:.4f}; 32 "
        f"bits take {len(whole) / 1e6:.1f} MB"
    )
    return outputs if is_half else of_page


def _write_page(text: str, path: Path) -> None:
    write_text(path, text)


def describe_page(metadata: Metadata) -> About:
    """Return the description of the trained model for its page."""
    scores = read_table(paths.SCORES_CSV, SCORES)
    names = dict.fromkeys(("accuracy", headline_of(scores)))
    measured = [
        f"{CATALOGUE[name].title} {describe_score(score_of(scores, 'test', name))}"
        for name in names
    ]
    facts = {
        "Classes": ", ".join(metadata.labels),
        "Measured": f"{'; '.join(measured)} ({100 * CONFIDENCE:g}% interval), on photos that it "
        "did not learn from",
        "Commit": metadata.commit or "none",
        "Model": metadata.model or "from an earlier version",
        "Photos": f"a square of {metadata.image_size} pixels: {SQUARES[metadata.resize]}",
    }
    if metadata.unknown_threshold is not None:
        facts["Unknown"] = (
            f"a photo whose unknown score is above {metadata.unknown_threshold:.4g} is unlike "
            "the training images"
        )
    return About(project_name(), facts, whose_weights(Model.load(), Weights.load()))


def _log_losses(
    outputs: Iterable[exports.NamedOutputs], labels: pd.Series, metadata: Metadata
) -> list[str]:
    """Return the mean log loss of each model on images with these labels."""
    classes = labels.map(metadata.labels.index).to_numpy()
    return [f"{log_losses(classes, each['probability']).mean():.4f}" for each in outputs]


def _times(names: list[str], photos: pd.Series, metadata: Metadata) -> list[str]:
    """Return the time in milliseconds that each LiteRT model takes for an image, in order."""
    form = exports.FORMATS[LITERT]
    with silent_stderr():
        runs = [form.open(paths.EXPORT / name / form.file) for name in names]
    (pixels,) = exports.read_pixels(photos.iloc[:1], metadata)
    return [f"{time:.1f}" for time in milliseconds(runs, pixels)]


def _model_to_export(metadata: Metadata, is_mirrored: bool) -> keras.Model | Callable[[Path], None]:
    """Return the model with calibration and detector, or a function that writes it as ONNX."""
    params = Model.load()
    detector = None
    if metadata.unknown_threshold is not None:
        detector = read_detector(paths.SERVED_MODEL)
    if params.backbone == ONNX:
        # The package onnx is installed by the extra `export`.
        from pawprint.model.onnx_export import Parts, write_onnx

        weights = HeadWeights.read(paths.HEAD)
        parts = Parts(weights, Head.load(), metadata.temperature, detector)
        return partial(write_onnx, onnx_file(Weights.load()), params, parts, is_mirrored)
    model = exports.for_export(keras_model(metadata, params), metadata.temperature, detector)
    return exports.mean_over_flip(model) if is_mirrored else model


def keras_model(metadata: Metadata, params: Model) -> keras.Model:
    """Return the Keras model, from pixels to the output of its head.

    If the stage prepared the backbone without Keras, it is built again from `weights.source`.
    Raises InputError if this file, or a file of the run, is missing.
    """
    if paths.TRAINED_MODEL.exists():
        return load_model(paths.TRAINED_MODEL)
    weights = Weights.load()
    if needs_keras(params, weights):
        backbone = load_model(paths.BACKBONE, layers=())
    else:
        options = (params.alpha, params.image_size, weights.source, weights.sha256)
        backbone = load_backbone(params.backbone, *options)
    head = HeadWeights.read(paths.HEAD)
    model, _ = with_head(backbone, params, head, Head.load(), len(metadata.labels))
    return model


def describe(
    name: str, outputs: exports.NamedOutputs, expected: exports.NamedOutputs, changed: int
) -> dict:
    """Return the row of a model in the table."""
    folder = paths.EXPORT / name if name != SERVED else paths.SERVED_MODEL
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        "format": name,
        "MB": f"{sum(file.stat().st_size for file in files) / 1e6:.2f}",
        "largest difference": f"{exports.largest_difference(outputs, expected):.6f}",
        "changed labels": changed,
    }


def describe_new_labels(photos: pd.Series, before: np.ndarray, after: np.ndarray) -> str:
    """Describe which labels, `(images,)`, have changed."""
    changes = [
        f"{path} ({one}, then {other})"
        for path, one, other in zip(photos, before, after)
        if one != other
    ]
    which = f": {name_some(changes)}" if changes else ""
    return f"{len(changes):,} of {len(photos):,} held-out images get another label{which}"


def describe_int8(
    rows: pd.DataFrame, before: np.ndarray, after: np.ndarray, confidence: float
) -> str:
    """Return lines about the labels that 8 bits change, their fraction, and possibly a warning.

    `rows` is a table SPLIT. `before` and `after` are labels, UNSURE or UNKNOWN, `(images,)`.
    """
    is_changed = before != after
    counts = independent_counts(is_changed, rows["group"].to_numpy())
    low, high = fraction_interval(*counts, confidence)
    becomes = is_changed & (after == UNKNOWN)
    was = is_changed & (before == UNKNOWN)
    lines = [
        describe_new_labels(rows["path"], before, after),
        f"changed labels {is_changed.mean():.1%} ({confidence:.0%} interval {low:.1%} to "
        f"{high:.1%}); images that become unknown: {becomes.sum():,}, no longer: {was.sum():,}",
    ]
    if low > MOST_CHANGED:
        lines.append(
            f"warning: the interval is above {MOST_CHANGED:.0%}. Use {LITERT}, or a wider backbone"
        )
    return "\n".join(f"int8: {line}" for line in lines)


def labels_of(outputs: exports.NamedOutputs, metadata: Metadata) -> np.ndarray:
    """Return the label of each image, UNSURE or UNKNOWN, `(images,)`."""
    scores = None if metadata.unknown_threshold is None else outputs["unknown_score"][:, 0]
    return metadata.answers(outputs["probability"], scores)
