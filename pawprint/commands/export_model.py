"""Read a project's trained model, and export it.

Exports have the same outputs as the served model.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from pawprint.artifacts import open_run, project_name
from pawprint.base import paths
from pawprint.base.columns import SCORES
from pawprint.base.errors import InputError
from pawprint.base.tables import read_table
from pawprint.base.threads import track
from pawprint.commands import exports
from pawprint.commands.html_page import About, whose_weights
from pawprint.model.metadata import Metadata
from pawprint.model.mirror_image import is_mirrored
from pawprint.network.extractor import needs_keras
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.keras_backbone import load_backbone
from pawprint.network.keras_model import load_model
from pawprint.network.training import with_head
from pawprint.pipeline.params.model import Head, Model, Weights
from pawprint.report.pages import describe_score, headline_of, score_of
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.metrics import CATALOGUE
from pawprint.serving.predictor import load_predictor

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
    trained = read_trained(folder, ("validation", "test") if "page" in formats else ("test",))
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
        "page": lambda of: exports.write_page(of, describe_page(folder, of.metadata), runtime),
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


def read_trained(folder: Path, splits: Sequence[str]) -> exports.Trained:
    """Rebuild a project's trained model, and run the served model on the images of these splits."""
    keras.utils.clear_session()  # or Keras counts on from the names of earlier layers
    predictor = load_predictor(folder / paths.SERVED_MODEL)
    run = open_run(folder, predictor.metadata)
    metadata = run.metadata
    trained = keras_model(folder, metadata)
    model = exports.for_export(trained, metadata.temperature, run.detector)
    if predictor.compiled and is_mirrored(predictor.compiled.network):
        model = exports.mean_over_flip(model)
    photos = run.split.loc[run.split["split"].isin(splits), "path"]
    archives = folder / paths.RAW_ARCHIVES
    expected = exports.all_outputs(predictor.run, exports.read_pixels(archives, photos, metadata))
    return exports.Trained(model, metadata, folder / paths.EXPORT, archives, photos, expected)


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
