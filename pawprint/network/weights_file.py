"""Check the weights file that params.yaml specifies, and compute hashes of weights."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pawprint.base.errors import InputError, without_secrets
from pawprint.base.files import digest, pointer_at
from pawprint.pipeline.params.model import Weights

FILE = "imagenet, none or a path to a file"  # the expected values of the source


def require_file(path: Path, sha256: str | None, source: str, expected: str) -> None:
    """Raise InputError if the file `source` is missing or its hash does not match."""
    if found := pointer_at(path):
        raise InputError(f"weights.source: {source}: expected {expected}. Received: {found}.")
    if not path.is_file():
        raise InputError(
            f"weights.source: expected {expected}. Received: {without_secrets(source)!r}, which is "
            "not a file."
        )
    verify(sha256, digest(path), source)


def onnx_file(weights: Weights) -> Path:
    """Return the path of the ONNX file for these weights, downloading it if they have a URL.

    Raises InputError if it is missing or its hash does not match.
    """
    source = weights.source
    sha256 = weights.sha256
    path = Path(source)
    if "://" in source:
        from pawprint.base.download import download  # slow, and few sources are URLs

        path = download(source, sha256, "weights.source")
    expected = "the path or URL of a file, because model.backbone is onnx"
    require_file(path, sha256, source, expected)
    return path


def arrays_sha256(arrays: Iterable[np.ndarray]) -> str:
    """Return the hash of weights: float32 values, little-endian, one array after another.

    Order and axes are the same as in Keras, so the hash does not depend on the layout of a file or
    on the version of Keras.
    """
    found = hashlib.sha256()
    for array in arrays:
        found.update(array.astype("<f4").tobytes())
    return found.hexdigest()


def verify(expected: str | None, actual: str, name: str) -> None:
    """Raise InputError if the hash of the weights called `name` is not the expected one."""
    if expected != actual:
        raise InputError(
            f"weights.sha256: expected the hash of {name}. Received: {expected or 'null'}, but the "
            f"actual hash is {actual}. Set this hash if these are the right weights."
        )
