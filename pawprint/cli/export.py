"""Write the trained model in other formats, each in a folder of models/export/ with model.json.

Every exported model takes float32 RGB pixels, (batch, size, size, 3) in [0, 255], and returns the
calibrated probability of the second of two classes, (batch, 1), or of each of more classes,
(batch, classes). Its own runtime runs it on the test images before the folder takes its name. The
table compares it with Keras: size, largest difference of a probability, accuracy, and median time
of one image.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

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
from pawprint.images.resizing import resize
from pawprint.network.backend import keras
from pawprint.network.model import load_model, with_output
from pawprint.serving.metadata import Metadata, read_metadata, write_metadata

CALIBRATION = 300  # images; LiteRT's guide to quantization asks for 100 to 500
QUANTIZE = ("none", "float16", "int8")
INPUTS = (paths.SERVED_MODEL, paths.FINETUNE_MODEL, paths.SPLIT_IMAGES, paths.RAW_IMAGES)


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
        return export_all(names, paths.EXPORT)
    destination = paths.EXPORT.resolve()
    with tempfile.TemporaryDirectory() as folder:
        get_inputs(arguments.rev, Path(folder))
        with contextlib.chdir(folder):
            export_all(names, destination)


def get_inputs(rev: str, folder: Path) -> None:
    """Write what `export_all` reads, of a revision, from DVC's cache or the remote to `folder`.

    Raises InputError if there is no such revision, neither cache nor remote have a file, or the
    disk has no room.
    """
    try:
        files = DVCFileSystem(rev=rev)
        for path in INPUTS:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            files.get(path.as_posix(), str(folder / path), recursive=True)
    except (DvcException, DataIndexError, OSError) as error:
        raise InputError(
            f"--rev: expected a revision with {', '.join(map(str, INPUTS))} in DVC's cache or the "
            f"remote, and room for a copy of them in {folder.parent}. Received: {printable(rev)} "
            f"({reason(error)})"
        ) from None


def export_all(names: list[str], destination: Path) -> None:
    """Write the model of the working directory in these formats, and print the table."""
    metadata = read_metadata(paths.SERVED_MODEL)
    model = with_output(load_model(paths.FINETUNE_MODEL), "probabilities", metadata.temperature)
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    test, train = (split[split["split"] == name] for name in ("test", "train"))
    pixels = read_pixels(test["path"], metadata)
    spread = np.linspace(0, len(train) - 1, min(CALIBRATION, len(train))).astype(int)
    calibration = pixels[:0]
    if "litert-int8" in names:
        calibration = read_pixels(train["path"].iloc[spread], metadata)
    actual = pd.Index(metadata.labels).get_indexer(test["label"])
    expected, seconds = measure(model.predict_on_batch, pixels)

    def row(name: str, path: Path, probabilities: np.ndarray, seconds: float) -> dict:
        files = [file for file in (path, *path.rglob("*")) if file.is_file()]
        correct = int((predicted_classes(probabilities, metadata.threshold) == actual).sum())
        return {
            "format": name,
            "MB": f"{sum(file.stat().st_size for file in files) / 1e6:.2f}",
            "largest difference": f"{np.abs(probabilities - expected).max():.6f}",
            "accuracy": f"{correct / len(test):.2%} ({correct}/{len(test)})",
            "ms per image": f"{seconds * 1000:.2f}",
        }

    rows = [row("keras", paths.FINETUNE_MODEL, expected, seconds)]
    for name in tqdm(names, desc="export", unit="format", disable=None):
        folder = destination / name
        measured = export(name, model, metadata, folder, calibration, pixels, expected)
        rows.append(row(name, folder / FORMATS[name].file, *measured))
    print(pd.DataFrame(rows).to_string(index=False))


def names_of(formats: list[str], quantize: list[str]) -> list[str]:
    """The formats as FORMATS names them."""
    litert = [f"litert-{kind}".removesuffix("-none") for kind in quantize]
    return [name for form in formats for name in (litert if form == "litert" else [form])]


def read_pixels(members: pd.Series, metadata: Metadata) -> np.ndarray:
    """uint8 `(images, size, size, 3)`: members of the archive as the model takes them."""
    with open_archive(paths.RAW_IMAGES) as archive:

        def read(name: str) -> np.ndarray:
            return resize(open_image(archive, name), metadata.image_size, metadata.resize)

        return np.stack(list(map_in_threads(read, members)))


def measure(run: Run, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """float64 `(images, classes)`, of each image alone, and the median seconds of one."""
    probabilities, seconds = [], []
    for image in pixels:
        batch = image[None].astype(np.float32)
        start = time.perf_counter()
        output = run(batch)
        seconds.append(time.perf_counter() - start)
        probabilities.append(of_classes(np.asarray(output, np.float64))[0])
    return np.array(probabilities), statistics.median(seconds)


def export(
    name: str,
    model: keras.Model,
    metadata: Metadata,
    folder: Path,
    calibration: np.ndarray,
    pixels: np.ndarray,
    expected: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Write a model and its metadata to `folder`, and measure it, as `measure` does, on `pixels`.

    `expected` holds the probabilities of Keras. Raises InputError, and leaves `folder` as it was,
    if the model cannot be converted or the converted model gives other probabilities.
    """
    form = FORMATS[name]
    with replacing(folder) as partial:
        partial.mkdir()
        path = partial / form.file
        try:
            with silent_stderr():  # converters report their progress there
                form.write(model, path, calibration)
                run = form.open(path)
            probabilities, seconds = measure(run, pixels)
        except OSError:  # a full disk, for example: not the fault of the model
            raise
        except Exception as error:  # a converter raises anything for what its format cannot hold
            raise InputError(
                f"{folder}: expected a model that {name} can hold. Received: {reason(error)}"
            ) from None
        difference = np.abs(probabilities - expected).max()
        if not difference <= form.tolerance:
            raise InputError(
                f"{folder}: expected the probabilities of Keras within {form.tolerance}. "
                f"Received: a difference of {difference:.4f}"
            )
        write_metadata(partial, metadata)
    return probabilities, seconds
