"""Check the weights file that params.yaml specifies, and compute hashes of weights."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pawprint.base.errors import InputError, without_secrets
from pawprint.base.files import digest, pointer_at
from pawprint.pipeline.params.model import IMAGENET, Model, Weights

WITHOUT_FILE = (IMAGENET, "none")  # sources whose arrays have the expected hash


def require_source(weights: Weights) -> None:
    """Raise InputError if the source is a file that is missing or whose hash does not match."""
    if weights.source not in WITHOUT_FILE:
        require_file(Path(weights.source), weights, "imagenet, none or a path to a file")


def require_file(path: Path, weights: Weights, expected: str) -> None:
    """Raise InputError if the file of the weights is missing or its hash does not match."""
    source = weights.source
    if found := pointer_at(path):
        raise InputError(f"weights.source: {source}: expected {expected}. Received: {found}.")
    if not path.is_file():
        raise InputError(
            f"weights.source: expected {expected}. Received: {without_secrets(source)!r}, which is "
            "not a file."
        )
    _verify(weights, digest(path), source)


def verified_sha256(arrays: Iterable[np.ndarray], model: Model, weights: Weights) -> str:
    """Return the `arrays_sha256`. Raises InputError if the params expect another one."""
    found = arrays_sha256(arrays)
    if weights.source in WITHOUT_FILE and weights.sha256:
        _verify(weights, found, f"the weights {weights.source} for {model.backbone}")
    return found


def arrays_sha256(arrays: Iterable[np.ndarray]) -> str:
    """Return the hash of weights: float32 values, little-endian, one array after another.

    Order and axes are the same as in Keras, so the hash does not depend on the layout of a file or
    on the version of Keras.
    """
    found = hashlib.sha256()
    for array in arrays:
        found.update(array.astype("<f4").tobytes())
    return found.hexdigest()


def _verify(weights: Weights, actual: str, name: str) -> None:
    """Raise InputError if the hash of the weights called `name` is not the expected one."""
    if weights.sha256 != actual:
        raise InputError(
            f"weights.sha256: expected the hash of {name}. Received: {weights.sha256 or 'null'}, "
            f"but the actual hash is {actual}. Set this hash if these are the right weights."
        )
