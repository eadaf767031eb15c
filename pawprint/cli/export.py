"""Write the trained model in other formats, each in a folder of models/export/ with model.json.

Every exported model takes float32 RGB pixels, (batch, size, size, 3) in [0, 255], as its input
`pixels`, and returns the calibrated `probability` of the second of two classes, (batch, 1), or of
each of more classes, (batch, classes), and the `unknown_score`, (batch, 1). Where the format can
hold it, these are means over the image and its mirror image, if the served model has the views
"flip"; `views` in model.json is what the caller has to average. Its own runtime runs the model on
the test images before the folder takes its name. The table compares it with the served model: size,
largest difference of an output, test images whose label changes, accuracy, and number of unknown
images.
"""

import argparse
import functools
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from pawprint.cli.formats import FORMATS, Outputs, Run, require_modules
from pawprint.core import data_paths, model_paths
from pawprint.core.data_tables import SPLIT
from pawprint.core.errors import InputError, reason, silent_stderr
from pawprint.core.files import replacing
from pawprint.core.params.types import Views
from pawprint.core.tables import read_table
from pawprint.engine.threads import map_in_threads
from pawprint.images.archive import open_archive
from pawprint.images.decoder import open_image
from pawprint.network.backend import keras
from pawprint.network.model import for_export, load_model
from pawprint.serving.metadata import Metadata, write_metadata
from pawprint.serving.predictor import Predictor, load_predictor
from pawprint.serving.probabilities import of_classes, predicted_classes
from pawprint.serving.unknown import read_detector
from pawprint.serving.views import views_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", nargs="+", required=True, choices=tuple(FORMATS), help="one or more"
    )


def current_commit() -> str | None:
    """The commit of the working directory, with "-dirty" if tracked files differ; None outside Git.

    Tags are left out of the name, so that it is the hash of the commit.
    """
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def run(arguments: argparse.Namespace) -> None:
    for name in arguments.format:
        require_modules(name)
    predictor = load_predictor(model_paths.SERVED_MODEL)
    metadata = predictor.metadata.model_copy(update={"commit": current_commit()})
    has_detector = metadata.unknown_threshold is not None
    detector = read_detector(model_paths.SERVED_MODEL) if has_detector else None
    model = for_export(load_model(model_paths.FINETUNE_MODEL), metadata.temperature, detector)
    split = read_table(data_paths.SPLIT_IMAGES, SPLIT)
    test = split[split["split"] == "test"]
    read = functools.partial(read_pixels, test["path"], metadata)
    actual = pd.Index(metadata.labels).get_indexer(test["label"])
    served = outputs_of(run_of(predictor), read(metadata.views))
    of_served = predicted_classes(served["probability"], metadata.threshold)

    def row(name: str, path: Path, outputs: Outputs) -> dict:
        files = [file for file in (path, *path.rglob("*")) if file.is_file()]
        predicted = predicted_classes(outputs["probability"], metadata.threshold)
        correct = int((predicted == actual).sum())
        unknown = (outputs["unknown_score"] > metadata.unknown_threshold) if has_detector else []
        return {
            "format": name,
            "MB": f"{sum(file.stat().st_size for file in files) / 1e6:.2f}",
            "largest difference": f"{largest_difference(outputs, served):.6f}",
            "changed labels": int((predicted != of_served).sum()),
            "accuracy": f"{correct / len(test):.2%} ({correct}/{len(test)})",
            "unknown": int(np.sum(unknown)),
        }

    rows, hints = [row("served", model_paths.SERVED_MODEL, served)], []
    for name in tqdm(arguments.format, desc="export", unit="format", disable=None):
        folder = model_paths.EXPORT / name
        outputs, views = export(name, model, metadata, folder, read, served)
        rows.append(row(name, folder / FORMATS[name].file, outputs))
        if views != "one":
            hints.append(f"{name}: average over the views {views!r} yourself")
    print(pd.DataFrame(rows).to_string(index=False))
    for hint in hints:
        print(f"{hint} (docs/use.md#the-served-model)")


def mean_over_flip(model: keras.Model) -> keras.Model:
    """The model whose outputs are means over each image and its mirror image."""
    pixels = keras.Input(model.input_shape[1:], name="pixels")
    first, second = model(pixels), model(keras.ops.flip(pixels, axis=2))
    outputs = {name: (first[name] + second[name]) / 2 for name in first}
    return keras.Model(pixels, outputs, name=model.name)


def read_pixels(members: pd.Series, metadata: Metadata, views: Views) -> Iterator[np.ndarray]:
    """uint8 `(views, size, size, 3)` of each member of the archive, as the model takes it."""
    size, how = metadata.image_size, metadata.resize
    with open_archive(data_paths.RAW_ARCHIVES) as archive:

        def read(name: str) -> np.ndarray:
            return views_of(open_image(archive, name), size, how, views)

        yield from map_in_threads(read, members)


def run_of(predictor: Predictor) -> Run:
    """The network of the served model."""

    def run(pixels: np.ndarray) -> Outputs:
        views = [predictor.run(view) for view in pixels.astype(np.uint8)]
        return {name: np.stack([view[name] for view in views]) for name in views[0]}

    return run


def outputs_of(run: Run, images: Iterable[np.ndarray]) -> Outputs:
    """The outputs for each image, uint8 `(views, size, size, 3)`, means over its views.

    float64 by name: `probability`, `(images, classes)`, and perhaps `unknown_score`, `(images, 1)`.
    The views of an image are one batch.
    """
    rows = [
        {name: each.mean(axis=0, dtype=np.float64) for name, each in run(batch).items()}
        for batch in map(np.float32, images)
    ]
    outputs = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return outputs | {"probability": of_classes(outputs["probability"])}


def largest_difference(outputs: Outputs, expected: Outputs) -> float:
    """Between the outputs that `outputs` has."""
    return max(np.abs(values - expected[name]).max() for name, values in outputs.items())


def export(
    name: str,
    model: keras.Model,
    metadata: Metadata,
    folder: Path,
    read: Callable[[Views], Iterable[np.ndarray]],
    expected: Outputs,
) -> tuple[Outputs, Views]:
    """Write a model and its metadata to `folder`.

    Returns its outputs, as `outputs_of` gives them, and the views whose outputs its caller
    averages. `model` takes one view; `metadata` and `expected` are those of the served model;
    `read` gives the images with some views, as `outputs_of` takes them. Raises InputError, and
    leaves `folder` as it was, if the model cannot be converted or the converted model gives other
    outputs.
    """
    form = FORMATS[name]
    if metadata.views == "flip" and form.holds_flip:  # the square has no other views in it
        model, metadata = mean_over_flip(model), metadata.model_copy(update={"views": "one"})
    with replacing(folder) as partial:
        partial.mkdir()
        path = partial / form.file
        try:
            model(model.inputs)  # Keras exports only a model that was called
            with silent_stderr():  # converters report their progress there
                form.write(model, path)
                run = form.open(path)
            outputs = outputs_of(run, read(metadata.views))
        except (InputError, OSError):  # of an image or a disk, not of the model
            raise
        except Exception as error:  # a converter raises anything for what its format cannot hold
            raise InputError(
                f"{folder}: expected a model that {name} can hold. Received: {reason(error)}"
            ) from None
        difference = largest_difference(outputs, expected)
        if not difference <= form.tolerance:
            raise InputError(
                f"{folder}: expected the outputs of the served model within {form.tolerance}. "
                f"Received: a difference of {difference:.4f}. Run `dvc repro`, or take another "
                "format."
            )
        write_metadata(partial, metadata)
    return outputs, metadata.views
