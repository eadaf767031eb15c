"""The features of an image.

The fingerprint of this module is part of the key under which rows are reused: an edit of it, or of
what it imports, computes all features again.
"""

from collections.abc import Callable, Iterable

import numpy as np
import openvino
from PIL import Image

from pawprint.images.formats import View, apply, resize, side_for
from pawprint.runtime import compile_for_cpu

Row = list[np.ndarray]  # one array for each kind


def row_function(
    network: openvino.Model, how: str
) -> Callable[[Callable[[int], Image.Image], Iterable[View]], list[Row]]:
    """A function that several threads may call: the rows, float32, of some views of an RGB image.

    It takes a function that reads the image with a `side` (images/decoder.py).
    """
    size = network.input().partial_shape[1].get_length()
    run = compile_for_cpu(network)

    def compute(read: Callable[[int], Image.Image], views: Iterable[View]) -> list[Row]:
        pixels = resize(read(side_for(size)), size, how)
        return [run(apply(pixels, view)) for view in views]

    return compute


def fits(row: Row, dtype: np.dtype) -> bool:
    """Whether numbers of this type can hold a row."""
    return all(np.abs(features).max() <= np.finfo(dtype).max for features in row)
