"""Write the trained model in other formats, each in a folder of models/export/ with model.json.

Every exported model takes float32 RGB pixels, (batch, size, size, 3) in [0, 255], as its input
`pixels`, and returns the calibrated `probability` of the second of two classes, (batch, 1), or of
each of more classes, (batch, classes), and except in int8 the `unknown_score`, (batch, 1). Its own
runtime runs it on the test images before the folder takes its name. The table compares it with
Keras: size, largest difference of an output, test images whose label changes, accuracy, number of
unknown images, and median time of one image.
"""

import argparse
import contextlib
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexError
from tqdm import tqdm

from pawprint.cli.formats import FORMATS, Run, require_modules
from pawprint.core import paths
from pawprint.core.errors import InputError, printable, reason, silent_stderr
from pawprint.core.files import replacing
from pawprint.core.probabilities import of_classes, predicted_classes
from pawprint.core.tables import SPLIT, read_table
from pawprint.engine.threads import map_in_threads
from pawprint.images.archive import open_archive
from pawprint.images.decoder import open_image
from pawprint.network.backend import keras
from pawprint.network.model import for_export, load_model
from pawprint.serving.metadata import Metadata, read_metadata, write_metadata
from pawprint.serving.served_model import read_detector
from pawprint.serving.views import views_of

CALIBRATION = 300  # images; LiteRT's guide to quantization asks for 100 to 500
QUANTIZE = ("none", "float16", "int8")
INPUTS = (paths.SERVED_MODEL, paths.FINETUNE_MODEL, paths.SPLIT_IMAGES, paths.RAW_ARCHIVES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        nargs="+",
        required=True,
        choices=("litert", "onnx", "saved_model", "h5"),
        help="one or more",
    )
    parser.add_argument(
        "--quantize",
        nargs="+",
        choices=QUANTIZE,
        default=["none"],
        help="of litert only, one or more; default: none",
    )
    parser.add_argument(
        "--rev", help="commit, branch or tag whose model is written; default: the workspace"
    )


def run(arguments: argparse.Namespace) -> None:
    if "litert" not in arguments.format and arguments.quantize != ["none"]:
        arguments.error("argument --quantize: expected --format litert with it")
    names = names_of(arguments.format, arguments.quantize)
    for name in names:
        require_modules(name)
    if arguments.rev is None:
        return export_all(names, paths.EXPORT, current_commit())
    destination = paths.EXPORT.resolve()
    with tempfile.TemporaryDirectory() as folder:
        commit = get_inputs(arguments.rev, Path(folder))
        with contextlib.chdir(folder):
            export_all(names, destination, commit)


def current_commit() -> str | None:
    """The commit of the working directory, with "-dirty" if tracked files differ; None outside Git.

    Tags are left out of the name, so that it is the hash of the commit.
    """
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def get_inputs(rev: str, folder: Path) -> str:
    """Write what `export_all` reads, of a revision, from DVC's cache or the remote to `folder`.

    Returns the commit of the revision. Raises InputError if there is no such revision, neither
    cache nor remote have a file, or the disk has no room.
    """
    try:
        files = DVCFileSystem(rev=rev)
        for path in INPUTS:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            files.get(path.as_posix(), str(folder / path), recursive=True)
        return files.repo.get_rev()
    except (DvcException, DataIndexError, OSError) as error:
        raise InputError(
            f"--rev: expected a revision with {', '.join(map(str, INPUTS))} in DVC's cache or the "
            f"remote, and room for a copy of them in {folder.parent}. Received: {printable(rev)} "
            f"({reason(error)})"
        ) from None


class Measured(NamedTuple):
    """Outputs by name, float64: `probability`, `(images, classes)`, and perhaps `unknown_score`,
    `(images, 1)`; and the median seconds of one image.
    """

    outputs: dict[str, np.ndarray]
    seconds: float


def export_all(names: list[str], destination: Path, commit: str | None) -> None:
    """Write the model of the working directory in these formats, and print the table."""
    metadata = read_metadata(paths.SERVED_MODEL).model_copy(update={"commit": commit})
    has_detector = metadata.unknown_threshold is not None
    detector = read_detector(paths.SERVED_MODEL) if has_detector else None
    model = for_export(load_model(paths.FINETUNE_MODEL), metadata.temperature, detector)
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    test, train = (split[split["split"] == name] for name in ("test", "train"))
    pixels = read_pixels(test["path"], metadata)
    spread = np.linspace(0, len(train) - 1, min(CALIBRATION, len(train))).astype(int)
    calibration = pixels[:0, 0]
    if "litert-int8" in names:
        calibration = read_pixels(train["path"].iloc[spread], metadata)
        index = np.arange(len(calibration))
        calibration = calibration[index, index % calibration.shape[1]]
    actual = pd.Index(metadata.labels).get_indexer(test["label"])
    expected = measure(model.predict_on_batch, pixels)
    of_keras = predicted_classes(expected.outputs["probability"], metadata.threshold)

    def row(name: str, path: Path, measured: Measured) -> dict:
        files = [file for file in (path, *path.rglob("*")) if file.is_file()]
        predicted = predicted_classes(measured.outputs["probability"], metadata.threshold)
        correct = int((predicted == actual).sum())
        difference = largest_difference(measured, expected)
        scores = measured.outputs.get("unknown_score")
        refused = "-" if scores is None else int((scores > metadata.unknown_threshold).sum())
        return {
            "format": name,
            "MB": f"{sum(file.stat().st_size for file in files) / 1e6:.2f}",
            "largest difference": f"{difference:.6f}",
            "changed labels": int((predicted != of_keras).sum()),
            "accuracy": f"{correct / len(test):.2%} ({correct}/{len(test)})",
            "unknown": refused,
            "ms per image": f"{measured.seconds * 1000:.2f}",
        }

    rows = [row("keras", paths.FINETUNE_MODEL, expected)]
    for name in tqdm(names, desc="export", unit="format", disable=None):
        folder = destination / name
        measured = export(name, model, metadata, folder, calibration, pixels, expected)
        rows.append(row(name, folder / FORMATS[name].file, measured))
    print(pd.DataFrame(rows).to_string(index=False))


def names_of(formats: list[str], quantize: list[str]) -> list[str]:
    """The formats as FORMATS names them."""
    litert = [f"litert-{kind}".removesuffix("-none") for kind in quantize]
    return [name for form in formats for name in (litert if form == "litert" else [form])]


def read_pixels(members: pd.Series, metadata: Metadata) -> np.ndarray:
    """uint8 `(images, views, size, size, 3)`: members of the archive as the model takes them."""
    size, how, views = metadata.image_size, metadata.resize, metadata.views
    with open_archive(paths.RAW_ARCHIVES) as archive:

        def read(name: str) -> np.ndarray:
            return views_of(open_image(archive, name), size, how, views)

        return np.stack(list(map_in_threads(read, members)))


def measure(run: Run, pixels: np.ndarray) -> Measured:
    """The outputs for each image of uint8 `(images, views, size, size, 3)`, means over its views.

    The views of an image are one batch.
    """
    rows, seconds = [], []
    for image in pixels:
        batch = image.astype(np.float32)
        start = time.perf_counter()
        outputs = run(batch)
        seconds.append(time.perf_counter() - start)
        rows.append({name: each.mean(axis=0, dtype=np.float64) for name, each in outputs.items()})
    outputs = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    outputs["probability"] = of_classes(outputs["probability"])
    return Measured(outputs, statistics.median(seconds))


def largest_difference(measured: Measured, expected: Measured) -> float:
    """Between the outputs that `measured` has."""
    return max(
        np.abs(values - expected.outputs[name]).max() for name, values in measured.outputs.items()
    )


def export(
    name: str,
    model: keras.Model,
    metadata: Metadata,
    folder: Path,
    calibration: np.ndarray,
    pixels: np.ndarray,
    expected: Measured,
) -> Measured:
    """Write a model and its metadata to `folder`, and measure it, as `measure` does, on `pixels`.

    `expected` is measured with Keras. Raises InputError, and leaves `folder` as it was, if the
    model cannot be converted or the converted model gives other outputs.
    """
    form = FORMATS[name]
    if not form.holds_score:
        probability = {"probability": model.output["probability"]}
        model = keras.Model(model.input, probability, name=model.name)
        metadata = metadata.model_copy(update={"unknown_threshold": None})
    with replacing(folder) as partial:
        partial.mkdir()
        path = partial / form.file
        try:
            with silent_stderr():  # converters report their progress there
                form.write(model, path, calibration)
                run = form.open(path)
            measured = measure(run, pixels)
        except OSError:  # a full disk, for example: not the fault of the model
            raise
        except Exception as error:  # a converter raises anything for what its format cannot hold
            raise InputError(
                f"{folder}: expected a model that {name} can hold. Received: {reason(error)}"
            ) from None
        difference = largest_difference(measured, expected)
        if not difference <= form.tolerance:
            raise InputError(
                f"{folder}: expected the outputs of Keras within {form.tolerance}. "
                f"Received: a difference of {difference:.4f}"
            )
        write_metadata(partial, metadata)
    return measured
