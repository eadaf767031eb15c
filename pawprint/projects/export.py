"""Export a project's model to other formats and compare each export with the served model.

The formats are defined in `model/exports.py`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint import paths
from pawprint.classes import UNKNOWN, log_losses
from pawprint.columns import SCORES, SPLIT
from pawprint.errors import InputError, name_some, silent_stderr
from pawprint.files import md5, write_text
from pawprint.git import current_commit
from pawprint.model import exports
from pawprint.model.detector import read_detector
from pawprint.model.exports import milliseconds
from pawprint.model.html_page import About, fetch_runtime, page_of, whose_weights, with_half_weights
from pawprint.model.int8_export import CALIBRATION_IMAGES, INT8, identity_of_int8, write_int8
from pawprint.model.metadata import Metadata, read_metadata
from pawprint.model.mirror_image import is_mirrored
from pawprint.model.predictor import load_predictor
from pawprint.model.served_model import NETWORK_FILE, read_model
from pawprint.network.extractor import needs_keras
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.keras_backbone import load_backbone, with_head
from pawprint.network.keras_model import load_model
from pawprint.network.weights_file import onnx_file
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
HALF_TOLERANCE = 0.002  # maximum output difference with 16-bit weights
FEW = 20  # number of images on which the page is run once more
SQUARES = {
    "crop": "from the central square",
    "pad": "with grey borders, so that the whole photo is used",
    "stretch": "without keeping the aspect ratio",
}
MOST_CHANGED = 0.01  # fraction of labels that the 8-bit model may change without a warning


class Wanted(NamedTuple):
    """What to export: `formats` are names from FORMATS.

    With `is_single`, the models use only the original image, even if the served model averages an
    image and its mirror image. With `is_int8`, INT8 is also written.
    """

    formats: Sequence[str]
    is_single: bool = False
    is_int8: bool = False


class Exported(NamedTuple):
    """The exports: `table` compares each with the served model, as text; `notes` are sentences."""

    table: pd.DataFrame
    notes: list[str]


class _Project(NamedTuple):
    """The project in a folder, and the metadata of its exports."""

    folder: Path
    metadata: Metadata

    @property
    def params(self) -> Path:
        return self.folder / paths.PARAMS

    def pixels(self, photos: pd.Series) -> Iterator[np.ndarray]:
        return exports.read_pixels(self.folder / paths.RAW_ARCHIVES, photos, self.metadata)


def export_model(folder: Path, wanted: Wanted) -> Exported:
    """Write a project's trained model in each format, in a folder of models/export/.

    Before an export is accepted, it is run with the format's own runtime on the test images. A
    page, a single-image model and INT8 are also run on the validation images. Raises InputError if
    this model does not support a format, or if an export differs from the served model.
    """
    names = _formats(folder, wanted)
    predictor = load_predictor(folder / paths.SERVED_MODEL, mirrored=not wanted.is_single)
    project = _Project(folder, _with_origin(folder, predictor.metadata))
    served = folder / paths.SERVED_MODEL
    network = read_model(served / NETWORK_FILE, read_metadata(served))
    model = _model_to_export(project, is_mirrored(network) and not wanted.is_single)
    split = read_table(folder / paths.SPLIT_CSV, SPLIT)
    has_validation = wanted.is_single or wanted.is_int8 or PAGE in names
    rows = split[split["split"].isin(("validation", "test") if has_validation else ("test",))]
    expected = exports.all_outputs(predictor.run, project.pixels(rows["path"]))
    outputs = {SERVED: expected}
    if wanted.is_single:
        both = load_predictor(folder / paths.SERVED_MODEL)
        outputs[SERVED] = exports.all_outputs(both.run, project.pixels(rows["path"]))
    notes: list[str] = []
    for name in track(names, "export", unit="format"):
        reference = exports.Reference(project.pixels(rows["path"]), expected)
        if name == INT8:
            train = split.loc[split["split"] == "train", "path"]
            outputs[name] = _export_int8(model, project, train, reference)
        elif name == PAGE:
            outputs[name] = _export_page(model, project, rows["path"], expected, notes)
        else:
            place = folder / paths.EXPORT / name
            outputs[name] = exports.export(name, model, project.metadata, place, reference)
    return _compare(project, wanted, rows, expected, outputs, notes)


def _compare(
    project: _Project,
    wanted: Wanted,
    rows: pd.DataFrame,
    expected: exports.NamedOutputs,
    outputs: dict[str, exports.NamedOutputs],
    notes: list[str],
) -> Exported:
    """Compare each model's outputs on images, `rows` of a SPLIT table, with the served model's.

    `expected` contains the served model's outputs in float32. With `is_single`, they are for the
    original image only.
    """
    labels = {name: labels_of(of_model, project.metadata) for name, of_model in outputs.items()}
    table = pd.DataFrame(
        describe(
            project.folder, name, outputs[name], expected, (labels[name] != labels[SERVED]).sum()
        )
        for name in outputs
    )
    in_float32 = labels_of(expected, project.metadata)
    if wanted.is_single:
        notes = [*notes, describe_new_labels(rows["path"], labels[SERVED], in_float32)]
    if wanted.is_int8:
        table["log loss"] = _log_losses(outputs.values(), rows["label"], project.metadata)
        table["ms"] = ["", *_times(project, [*outputs][1:], rows["path"])]
        notes = [*notes, describe_int8(rows, in_float32, labels[INT8])]
    return Exported(table, notes)


def _formats(folder: Path, wanted: Wanted) -> list[str]:
    """Return the formats to write, without repetitions. Raises InputError for an impossible one."""
    is_of_keras = Model.load(path=folder / paths.PARAMS).backbone != ONNX
    if wanted.is_int8 and not is_of_keras:
        raise InputError(f"--int8: needs a Keras network, but model.backbone is {ONNX}")
    formats = list(dict.fromkeys(wanted.formats))
    for name in formats:
        if wanted.is_int8 and name != LITERT:
            raise InputError(f"--int8: expected --format {LITERT} alone. Received: {name}")
        if not is_of_keras and name not in (ONNX, PAGE):
            raise InputError(
                f"--format: expected {ONNX} or {PAGE}, because model.backbone is {ONNX}, which "
                f"has no Keras layers. Received: {name}"
            )
        exports.require_modules(name, is_of_keras=is_of_keras)
    return [*formats, INT8] if wanted.is_int8 else formats


def _with_origin(folder: Path, metadata: Metadata) -> Metadata:
    """Add the images and the commit that the model comes from to the metadata."""
    images = Recorded(folder=folder).hash_of("predict", paths.SPLIT_CSV, "deps")
    images = images or md5(folder / paths.SPLIT_CSV)
    commit = current_commit(folder=folder)
    return metadata.model_copy(update={"data_md5": images, "commit": commit})


def _export_int8(
    model: keras.Model | Callable[[Path], None],
    project: _Project,
    train: pd.Series,
    reference: exports.Reference,
) -> exports.NamedOutputs:
    """Write the 8-bit model, whose outputs may differ from the served model's."""
    images = list(project.pixels(spread(train, CALIBRATION_IMAGES)))
    metadata = project.metadata
    folder = project.folder / paths.EXPORT / INT8
    identity = metadata.model and identity_of_int8(metadata.model)
    described = metadata.model_copy(update={"model": identity})
    write = partial(write_int8, model, images)
    return exports.export(LITERT, write, described, folder, reference._replace(tolerance=np.inf))


def _export_page(
    model: keras.Model | Callable[[Path], None],
    project: _Project,
    photos: pd.Series,
    expected: exports.NamedOutputs,
    notes: list[str],
) -> exports.NamedOutputs:
    """Write the page of a model, add a line about its size to `notes`, and return its outputs.

    Large arrays are stored as float16 if this does not change the label of any image in `photos`.
    """
    runtime = fetch_runtime()
    metadata = project.metadata
    about = describe_page(project)
    network = exports.onnx_of(model)
    small = with_half_weights(network)
    run = exports.one_by_one(exports.open_onnx(small))
    outputs = exports.all_outputs(run, project.pixels(photos))
    changed = (labels_of(outputs, metadata) != labels_of(expected, metadata)).sum()
    difference = exports.largest_difference(outputs, expected)
    is_half = changed == 0 and difference <= HALF_TOLERANCE
    half, whole = (page_of(each, metadata, about, runtime) for each in (small, network))
    # Its network has already been run on all of them.
    few = photos.iloc[:FEW] if is_half else photos
    reference = exports.Reference(
        project.pixels(few),
        {name: values[: len(few)] for name, values in expected.items()},
        HALF_TOLERANCE if is_half else exports.TOLERANCE,
    )
    write = partial(_write_page, half if is_half else whole)
    of_page = exports.export(PAGE, write, metadata, project.folder / paths.EXPORT / PAGE, reference)
    notes.append(
        f"page: {16 if is_half else 32}-bit weights. 16 bits take {len(half) / 1e6:.1f} MB and "
        f"change {changed:,} of {len(photos):,} labels, and outputs by up to {difference:.4f}; 32 "
        f"bits take {len(whole) / 1e6:.1f} MB"
    )
    return outputs if is_half else of_page


def _write_page(text: str, path: Path) -> None:
    write_text(path, text)


def describe_page(project: _Project) -> About:
    """Return the description of the trained model for its page."""
    metadata = project.metadata
    scores = read_table(project.folder / paths.SCORES_CSV, SCORES)
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
    weights = Weights.load(path=project.params)
    whose = whose_weights(Model.load(path=project.params), weights)
    return About(project_name(project.folder), facts, whose)


def _log_losses(
    outputs: Iterable[exports.NamedOutputs], labels: pd.Series, metadata: Metadata
) -> list[str]:
    """Return the mean log loss of each model on images with these labels."""
    classes = labels.map(metadata.labels.index).to_numpy()
    return [f"{log_losses(classes, each['probability']).mean():.4f}" for each in outputs]


def _times(project: _Project, names: Collection[str], photos: pd.Series) -> list[str]:
    """Return each LiteRT model's time per image in milliseconds, in order."""
    form = exports.FORMATS[LITERT]
    with silent_stderr():
        runs = [form.open(project.folder / paths.EXPORT / name / form.file) for name in names]
    (pixels,) = project.pixels(photos.iloc[:1])
    return [f"{time:.1f}" for time in milliseconds(runs, pixels)]


def _model_to_export(project: _Project, mirrors: bool) -> keras.Model | Callable[[Path], None]:
    """Return the model with calibration and detector, or a function that writes it as ONNX."""
    folder, metadata = project
    params = Model.load(path=project.params)
    detector = None
    if metadata.unknown_threshold is not None:
        detector = read_detector(folder / paths.SERVED_MODEL)
    if params.backbone == ONNX:
        # The package onnx is installed by the `export` extra.
        from pawprint.model.onnx_export import Parts, write_onnx

        weights = HeadWeights.read(folder / paths.HEAD)
        parts = Parts(weights, Head.load(path=project.params), metadata.temperature, detector)
        return partial(
            write_onnx,
            onnx_file(Weights.load(path=project.params).in_folder(folder)),
            params,
            parts,
            mirrors,
        )
    model = exports.for_export(keras_model(folder, metadata), metadata.temperature, detector)
    return exports.mean_over_flip(model) if mirrors else model


def keras_model(folder: Path, metadata: Metadata) -> keras.Model:
    """Return a project's Keras model, from pixels to the head's output.

    If the stage prepared the backbone without Keras, the backbone is built again from
    `weights.source`. Raises InputError if this file, or a file of the run, is missing.
    """
    if (folder / paths.TRAINED_MODEL).exists():
        return load_model(folder / paths.TRAINED_MODEL)
    file = folder / paths.PARAMS
    params = Model.load(path=file)
    weights = Weights.load(path=file).in_folder(folder)
    if needs_keras(params, weights):
        backbone = load_model(folder / paths.BACKBONE, layers=())
    else:
        options = (params.alpha, params.image_size, weights.source, weights.sha256)
        backbone = load_backbone(params.backbone, *options)
    head = HeadWeights.read(folder / paths.HEAD)
    model, _ = with_head(backbone, params, head, Head.load(path=file), len(metadata.labels))
    return model


def describe(
    folder: Path,
    name: str,
    outputs: exports.NamedOutputs,
    expected: exports.NamedOutputs,
    changed: int,
) -> dict:
    """Return a model's row in the table."""
    place = folder / (paths.EXPORT / name if name != SERVED else paths.SERVED_MODEL)
    files = [file for file in place.rglob("*") if file.is_file()]
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
    return f"the label changes for {len(changes):,} of {len(photos):,} held-out images{which}"


def describe_int8(rows: pd.DataFrame, before: np.ndarray, after: np.ndarray) -> str:
    """Return lines about the labels that 8 bits change, their fraction, and possibly a warning.

    `rows` is a SPLIT table. `before` and `after` are labels, UNSURE or UNKNOWN, `(images,)`.
    """
    is_changed = before != after
    counts = independent_counts(is_changed, rows["group"].to_numpy())
    low, high = fraction_interval(*counts)
    becomes = is_changed & (after == UNKNOWN)
    was = is_changed & (before == UNKNOWN)
    lines = [
        describe_new_labels(rows["path"], before, after),
        f"changed labels {is_changed.mean():.1%} ({CONFIDENCE:.0%} interval {low:.1%} to "
        f"{high:.1%}); images newly unknown: {becomes.sum():,}, no longer unknown: {was.sum():,}",
    ]
    if low > MOST_CHANGED:
        lines.append(
            f"warning: the interval is above {MOST_CHANGED:.0%}. Use {LITERT}, or a wider backbone"
        )
    return "\n".join(f"int8: {line}" for line in lines)


def labels_of(outputs: exports.NamedOutputs, metadata: Metadata) -> np.ndarray:
    """Return each image's label, UNSURE or UNKNOWN, `(images,)`."""
    scores = None if metadata.unknown_threshold is None else outputs["unknown_score"][:, 0]
    return metadata.answers(outputs["probability"], scores)
