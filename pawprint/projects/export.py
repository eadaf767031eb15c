"""Export a project's model to other formats and compare each export with the served model.

The formats are defined in `model/exports.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
from pawprint.model.exports import TOLERANCE
from pawprint.model.html_page import About, fetch_runtime, page_of, whose_weights, with_half_weights
from pawprint.model.int8_export import CALIBRATION_IMAGES, INT8, write_int8
from pawprint.model.metadata import Metadata, read_metadata
from pawprint.model.mirror_image import is_mirrored
from pawprint.model.predictor import load_predictor
from pawprint.model.served_model import NETWORK_FILE, describe_variant, read_model
from pawprint.network.extractor import needs_keras
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.keras_backbone import load_backbone
from pawprint.network.keras_model import load_model
from pawprint.network.training import with_head
from pawprint.network.weights_file import onnx_file
from pawprint.params.model import ONNX, Head, Model, Weights
from pawprint.pipeline.recorded import Recorded
from pawprint.progress import track
from pawprint.reports.pages import describe_score, headline_of, project_name, score_of
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.metrics import CATALOGUE, fraction_cells
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


class _Exporter(NamedTuple):
    """A project's model, and the held-out images with which each export is compared.

    `model` is a Keras model, or a function that writes an ONNX file. `rows` is a SPLIT table of the
    images, and `expected` contains the served model's outputs for them, in float32.
    """

    folder: Path
    metadata: Metadata
    model: keras.Model | Callable[[Path], None]
    rows: pd.DataFrame
    expected: exports.NamedOutputs

    def pixels(self, photos: pd.Series) -> Iterator[np.ndarray]:
        return exports.read_pixels(self.folder / paths.RAW_ARCHIVES, photos, self.metadata)

    def labels(self, outputs: exports.NamedOutputs) -> np.ndarray:
        """Return each image's label, UNSURE or UNKNOWN, `(images,)`."""
        has_scores = self.metadata.unknown_threshold is not None
        scores = outputs["unknown_score"][:, 0] if has_scores else None
        return self.metadata.answers(outputs["probability"], scores)

    def export(
        self,
        name: str,
        model: Callable[[Path], None] | None = None,
        tolerance: float = TOLERANCE,
        number: int | None = None,
    ) -> exports.NamedOutputs:
        """Write the model, or another one, in a format. Return its outputs for the images.

        If a `number` is given, only as many images are used.
        """
        place = self.folder / paths.EXPORT / name
        pixels = self.pixels(self.rows["path"].iloc[:number])
        expected = {key: values[:number] for key, values in self.expected.items()}
        reference = exports.Reference(pixels, expected, tolerance)
        metadata = describe_variant(self.metadata, "int8") if name == INT8 else self.metadata
        form = LITERT if name == INT8 else name
        return exports.export(form, model or self.model, metadata, place, reference)

    def export_int8(self, train: pd.Series) -> exports.NamedOutputs:
        """Do the same with 8 bits. The outputs may differ from the served model's."""
        images = list(self.pixels(spread(train, CALIBRATION_IMAGES)))
        return self.export(INT8, partial(write_int8, self.model, images), np.inf)

    def export_page(self) -> tuple[exports.NamedOutputs, str]:
        """Write the model's page, and return its outputs and a line about its weights.

        Large arrays are stored as float16 if this does not change the label of any image.
        """
        runtime = fetch_runtime()
        about = describe_page(self.folder, self.metadata)
        photos = self.rows["path"]
        network = exports.onnx_of(self.model)
        small = with_half_weights(network)
        run = exports.one_by_one(exports.open_onnx(small))
        outputs = exports.all_outputs(run, self.pixels(photos))
        changed = (self.labels(outputs) != self.labels(self.expected)).sum()
        difference = exports.largest_difference(outputs, self.expected)
        is_half = changed == 0 and difference <= HALF_TOLERANCE
        text = page_of(small if is_half else network, self.metadata, about, runtime)
        # With 16 bits, the network has already been run on all images.
        options = (HALF_TOLERANCE, FEW) if is_half else (TOLERANCE, None)
        of_page = self.export(PAGE, lambda path: write_text(path, text), *options)
        note = (
            f"page: {16 if is_half else 32}-bit weights, because 16 bits change {changed:,} of "
            f"{len(photos):,} labels, and outputs by up to {difference:.4f}"
        )
        return outputs if is_half else of_page, note


def export_model(
    folder: Path, formats: Sequence[str], is_single: bool = False, is_int8: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Write a project's trained model in each format, in a folder of models/export/.

    `formats` are names from FORMATS. With `is_single`, the models use only the original image, even
    if the served model averages an image and its mirror image. With `is_int8`, INT8 is also
    written. Returns a table that compares each export with the served model, as text, and notes.

    Before an export is accepted, it is run with the format's own runtime on the test images. A
    page, a single-image model and INT8 are also run on the validation images. Raises InputError if
    this model does not support a format, or if an export differs from the served model.
    """
    names = _formats(folder, formats, is_int8)
    served = folder / paths.SERVED_MODEL
    predictor = load_predictor(served, mirrored=not is_single)
    metadata = _with_origin(folder, predictor.metadata)
    network = read_model(served / NETWORK_FILE, read_metadata(served))
    model = _model_to_export(folder, metadata, is_mirrored(network) and not is_single)
    split = read_table(folder / paths.SPLIT_CSV, SPLIT)
    has_validation = is_single or is_int8 or PAGE in names
    rows = split[split["split"].isin(("validation", "test") if has_validation else ("test",))]
    archives = folder / paths.RAW_ARCHIVES
    pixels = partial(exports.read_pixels, archives, rows["path"], metadata)
    expected = exports.all_outputs(predictor.run, pixels())
    exporter = _Exporter(folder, metadata, model, rows, expected)
    outputs = {SERVED: expected}
    if is_single:
        outputs[SERVED] = exports.all_outputs(load_predictor(served).run, pixels())
    notes: list[str] = []
    for name in track(names, "export", unit="format"):
        if name == INT8:
            outputs[name] = exporter.export_int8(split.loc[split["split"] == "train", "path"])
        elif name == PAGE:
            outputs[name], note = exporter.export_page()
            notes.append(note)
        else:
            outputs[name] = exporter.export(name)
    return _compare(exporter, outputs, is_single, notes)


def _compare(
    exporter: _Exporter,
    outputs: dict[str, exports.NamedOutputs],
    is_single: bool,
    notes: list[str],
) -> tuple[pd.DataFrame, list[str]]:
    """Compare each model's outputs with the served model's, and add to the notes."""
    folder, metadata, _, rows, expected = exporter
    labels = {name: exporter.labels(of_model) for name, of_model in outputs.items()}
    in_float32 = exporter.labels(expected)
    table = pd.DataFrame(
        {
            "format": name,
            "MB": f"{_megabytes(folder, name):.2f}",
            "largest difference": f"{exports.largest_difference(outputs[name], expected):.6f}",
            "changed labels": (labels[name] != labels[SERVED]).sum(),
        }
        for name in outputs
    )
    if is_single:
        notes = [*notes, describe_new_labels(rows["path"], labels[SERVED], in_float32)]
    if INT8 in outputs:
        classes = rows["label"].map(metadata.labels.index).to_numpy()
        losses = [log_losses(classes, each["probability"]).mean() for each in outputs.values()]
        table["log loss"] = [f"{loss:.4f}" for loss in losses]
        table["ms"] = ["", *_times(exporter, [*outputs][1:])]
        notes = [*notes, describe_int8(rows, in_float32, labels[INT8])]
    return table, notes


def _megabytes(folder: Path, name: str) -> float:
    """Return the size of an export, or of the served model."""
    place = folder / (paths.SERVED_MODEL if name == SERVED else paths.EXPORT / name)
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6


def _formats(folder: Path, formats: Sequence[str], is_int8: bool) -> list[str]:
    """Return the formats to write, without repetitions. Raises InputError for an impossible one."""
    is_of_keras = Model.load(path=folder / paths.PARAMS).backbone != ONNX
    formats = list(dict.fromkeys(formats))
    for name in formats:
        if is_int8 and name != LITERT:
            raise InputError(f"--int8: expected --format {LITERT} alone. Received: {name}")
        if not is_of_keras and name not in (ONNX, PAGE):
            raise InputError(
                f"--format: expected {ONNX} or {PAGE}, because model.backbone is {ONNX}, which "
                f"has no Keras layers. Received: {name}"
            )
        exports.require_modules(name, is_of_keras=is_of_keras)
    return [*formats, INT8] if is_int8 else formats


def _with_origin(folder: Path, metadata: Metadata) -> Metadata:
    """Add the images and the commit that the model comes from to the metadata."""
    images = Recorded(folder=folder).hash_of("predict", paths.SPLIT_CSV, "deps")
    images = images or md5(folder / paths.SPLIT_CSV)
    commit = current_commit(folder=folder)
    return metadata.model_copy(update={"data_md5": images, "commit": commit})


def describe_page(folder: Path, metadata: Metadata) -> About:
    """Return the description of the trained model for its page."""
    scores = read_table(folder / paths.SCORES_CSV, SCORES)
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
    params = folder / paths.PARAMS
    whose = whose_weights(Model.load(path=params), Weights.load(path=params))
    return About(project_name(folder), facts, whose)


def _times(exporter: _Exporter, names: Iterable[str]) -> list[str]:
    """Return each LiteRT model's time per image in milliseconds, in order."""
    form = exports.FORMATS[LITERT]
    with silent_stderr():
        runs = [form.open(exporter.folder / paths.EXPORT / name / form.file) for name in names]
    (pixels,) = exporter.pixels(exporter.rows["path"].iloc[:1])
    return [f"{time:.1f}" for time in exports.milliseconds(runs, pixels)]


def _model_to_export(
    folder: Path, metadata: Metadata, mirrors: bool
) -> keras.Model | Callable[[Path], None]:
    """Return the model with calibration and detector, or a function that writes it as ONNX."""
    file = folder / paths.PARAMS
    params = Model.load(path=file)
    has_detector = metadata.unknown_threshold is not None
    detector = read_detector(folder / paths.SERVED_MODEL) if has_detector else None
    if params.backbone == ONNX:
        # The package onnx is installed by the `export` extra.
        from pawprint.model.onnx_export import Parts, write_onnx

        weights = HeadWeights.read(folder / paths.HEAD)
        parts = Parts(weights, Head.load(path=file), metadata.temperature, detector)
        network = onnx_file(Weights.load(path=file).in_folder(folder))
        return partial(write_onnx, network, params, parts, mirrors)
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
        backbone = load_model(folder / paths.BACKBONE)
    else:
        backbone = load_backbone(params, weights)
    head = HeadWeights.read(folder / paths.HEAD)
    model, _ = with_head(backbone, params, head, Head.load(path=file), len(metadata.labels))
    return model


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
    _, low, high, _ = fraction_cells(is_changed, rows["group"].to_numpy())
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
