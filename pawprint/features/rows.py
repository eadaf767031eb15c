"""The features of an image: what decides the bytes of a row, besides the network.

`SOURCES` are the files whose content decides them. An edit of one computes all features again.
"""

import hashlib
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import openvino
from PIL import Image

from pawprint.core.errors import InputError
from pawprint.core.params import Resize
from pawprint.features.store import Row
from pawprint.images.augmentation import warp
from pawprint.images.resizing import resize
from pawprint.runtime.compiled import compile_for_cpu

SOURCES = (
    "pawprint/features/rows.py",
    "pawprint/images/augmentation.py",
    "pawprint/images/resizing.py",
    "pawprint/runtime/compiled.py",
)
PACKAGES = ("numpy", "opencv-python-headless", "openvino", "pillow")


def row_function(
    network: openvino.Model, how: Resize
) -> Callable[[Image.Image, Iterable[np.ndarray]], list[Row]]:
    """A function that several threads may call: the rows of some views of an RGB image.

    A view is given by its transformation (images/augmentation.py). Raises InputError for features
    that float16 cannot hold.
    """
    size = network.input().partial_shape[1].get_length()
    run = compile_for_cpu(network)

    def compute(image: Image.Image, transformations: Iterable[np.ndarray]) -> list[Row]:
        pixels = resize(image, size, how)
        with np.errstate(over="ignore"):
            rows = [
                [output.astype(np.float16) for output in run(warp(pixels, each))]
                for each in transformations
            ]
        if not all(np.isfinite(features).all() for row in rows for features in row):
            raise InputError(
                "params.yaml: model.fine_tune_at: expected a layer before which the backbone gives "
                f"numbers up to {np.finfo(np.float16).max:,.0f}, which features are stored with. "
                "Received: larger ones. Name another layer, or check weights.source."
            )
        return rows

    return compute


def describe(network: Path, how: Resize) -> dict:
    """What decides a row's bytes, besides the image's pixels and the view's transformation."""
    files = (network, network.with_suffix(".bin"), *map(Path, SOURCES))
    return {
        "resize": how,
        "files": {file.as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "packages": {package: version(package) for package in PACKAGES},
    }
