"""Compute the features of an image: resize it, apply views, and run the frozen layers.

Stored rows are only reused if the fingerprint of this module is the same. After a change to the
module or to anything it imports, all features are computed again.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import openvino
from PIL import Image

from pawprint.base.runtime import CompiledNetwork, compile_for_cpu, image_size_of
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.network.views import View, apply, resize

Row = list[np.ndarray]  # one array per kind
# A function that decodes an image to at least this `side` (see given/decoding/decoder.py).
Read = Callable[[int], Image.Image]


def row_function(
    network: openvino.Model, method: str, *, is_native: bool = False
) -> Callable[[Read, Iterable[View]], list[Row]]:
    """Return a function that computes float32 rows for some views of an RGB image.

    Its arguments are a function that reads the image, and the views. Several threads may call it at
    once. `method` is one of the methods of `resize`. `is_native` is as in `compile_for_cpu`.
    """
    size = image_size_of(network)
    return partial(_compute, compile_for_cpu(network, is_native=is_native), size, method)


def _compute(
    run: CompiledNetwork, size: int, method: str, read: Read, views: Iterable[View]
) -> list[Row]:
    pixels = resize(read(decoded_side(size)), size, method)
    return [run(apply(pixels, view)) for view in views]


def fits(row: Row, dtypes: Sequence[np.dtype]) -> bool:
    """Return whether these number types, one per kind, can represent a row."""
    pairs = zip(row, dtypes, strict=True)
    return all(np.abs(features).max() <= np.finfo(dtype).max for features, dtype in pairs)
