"""Write the trained model in other formats: `python export.py --format litert onnx`.

Writes models/export/: labels.json, and beside it a file (of SavedModel a folder) of each format.
Each is run by its own runtime on the test images before it takes its name, and the printed table
compares it with Keras: largest difference of a probability, accuracy, time of one image alone.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pawprint.cli.formats import FORMATS, Run, require_modules
from pawprint.core import paths
from pawprint.core.errors import InputError, printable, silent_stderr
from pawprint.core.files import read_csv, replacing
from pawprint.core.params import Resize
from pawprint.images.archive import open_archive
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.network.backend import keras
from pawprint.network.model import load_model
from pawprint.serving.metadata import LABELS_FILE, Meaning, read_labels, write_labels

CALIBRATION = 300  # images; LiteRT's guide to quantization asks for 100 to 500
QUANTIZE = ("none", "float16", "int8")
COLUMNS = ("format", "MB", "largest difference", "accuracy", "ms per image")


def read_images(
    split: str, size: int, how: Resize, most: int | None = None
) -> tuple[np.ndarray, list[str]]:
    """uint8 `(images, size, size, 3)` and labels of a split; `most` of them, evenly spread."""
    rows = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == split]
    if most is not None and most < len(rows):
        rows = [rows[index] for index in np.linspace(0, len(rows) - 1, most).astype(int)]
    with open_archive(paths.RAW_IMAGES) as archive:

        def read(row: dict) -> np.ndarray:
            return resize(open_image(archive, row["path"]), size, how)

        return np.stack(list(map_in_threads(read, rows))), [row["label"] for row in rows]


def measure(run: Run, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """float64 `(images,)`, the probability of each image alone, and the median seconds of one."""
    probability, seconds = [], []
    for image in pixels:
        batch = image[None].astype(np.float32)
        start = time.perf_counter()
        output = run(batch)
        seconds.append(time.perf_counter() - start)
        probability.append(np.asarray(output).item())
    return np.array(probability), statistics.median(seconds)


def export(
    name: str,
    model: keras.Model,
    target: Path,
    calibration: np.ndarray,
    pixels: np.ndarray,
    expected: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Write the format of this name to `target`, and measure it, as `measure` does, on `pixels`.

    `expected` are the probabilities that Keras gives. Raises InputError, and leaves `target` as
    it was, if the model cannot be converted, or what came out gives other probabilities.
    """
    form = FORMATS[name]
    with replacing(target) as partial:
        try:
            with silent_stderr():  # converters tell of their progress there
                form.write(model, partial, calibration)
                run = form.open(partial)
            probability, seconds = measure(run, pixels)
        except OSError:  # says nothing about the model
            raise
        except Exception as error:  # a converter raises anything for what its format cannot hold
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{target}: expected a model that {name} can hold. Received: {printable(reason)}"
            ) from None
        difference = np.abs(probability - expected).max()
        if not difference <= form.tolerance:
            raise InputError(
                f"{target}: expected the probabilities of Keras within {form.tolerance}. "
                f"Received: a difference of {difference:.4f}"
            )
    return probability, seconds


def bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def names_of(formats: list[str], quantize: list[str]) -> list[str]:
    """The formats as FORMATS names them."""
    litert = [f"litert {kind}".removesuffix(" none") for kind in quantize]
    return [name for form in formats for name in (litert if form == "litert" else [form])]


def require_same_meaning(folder: Path, meaning: Meaning) -> None:
    """Raise InputError if models that mean something else by their number are in the folder."""
    path = folder / LABELS_FILE
    if path.exists():
        there = read_labels(path)
        if there != meaning:
            raise InputError(
                f"{path}: expected {meaning}, as in the model. Received: {there}. Remove {folder}: "
                "its models are of another one."
            )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", nargs="+", required=True, choices=("litert", "onnx", "saved_model", "h5")
    )
    parser.add_argument(
        "--quantize", nargs="+", choices=QUANTIZE, default=["none"], help="litert; default: none"
    )
    parser.add_argument(
        "--model", type=Path, default=paths.CALIBRATED_MODEL, help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> None:
    if "litert" not in arguments.format and arguments.quantize != ["none"]:
        arguments.error("argument --quantize: expected --format litert with it")
    names = names_of(arguments.format, arguments.quantize)
    for name in names:
        require_modules(name)
    model, meaning = load_model(arguments.model)
    require_same_meaning(paths.EXPORT, meaning)
    size, labels = model.input_shape[1], meaning.labels
    pixels, actual = read_images("test", size, meaning.resize)
    if not set(actual) <= set(labels):
        raise InputError(
            f"{paths.SPLIT_IMAGES}: expected test images of {' and '.join(labels)}, the classes of "
            f"{arguments.model}. Received: {' and '.join(sorted(set(actual)))}"
        )
    calibration = pixels[:0]
    if "litert int8" in names:
        calibration, _ = read_images("train", size, meaning.resize, CALIBRATION)
    is_second = np.array(actual) == labels[1]

    def row(name: str, path: Path, probability: np.ndarray, seconds: float) -> list[str]:
        correct = int(((probability >= meaning.threshold) == is_second).sum())
        return [
            name,
            f"{bytes_of(path) / 1e6:.2f}",
            f"{np.abs(probability - expected).max():.6f}",
            f"{correct / len(actual):.2%} ({correct}/{len(actual)})",
            f"{seconds * 1000:.2f}",
        ]

    expected, seconds = measure(model.predict_on_batch, pixels)
    rows = [row("keras", arguments.model, expected, seconds)]
    for name in tqdm(names, desc="export", unit="format", disable=None):
        target = paths.EXPORT / FORMATS[name].file
        measured = export(name, model, target, calibration, pixels, expected)
        write_labels(paths.EXPORT, meaning)
        rows.append(row(name, target, *measured))
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows)]
    for cells in [COLUMNS, *rows]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths)).rstrip())
