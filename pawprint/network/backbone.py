"""The pre-trained network without its top, with the weights that the params name."""

import hashlib
from pathlib import Path

from pawprint.core.errors import InputError
from pawprint.core.files import digest
from pawprint.core.sources import without_secrets
from pawprint.network.applications import IMAGENET, application
from pawprint.network.backend import keras


def load_backbone(
    name: str, alpha: float | None, image_size: int, source: str, sha256: str | None
) -> keras.Model:
    """An application of Keras with the weights of a source: `imagenet`, `none` or a file's path.

    `sha256` is that of the file, and otherwise None or that of the weights: of their float32
    values, little-endian, in the order of `get_weights`. These are the same in every layout of the
    file and with every version of Keras. Raises InputError for another hash, a missing file, and as
    `application`.
    """
    if source in (IMAGENET, "none"):
        network = application(name, alpha, image_size, IMAGENET if source == IMAGENET else None)
        if sha256:
            _verify(sha256, weights_sha256(network), f"the weights {source} of {name}")
        return network
    if name.startswith("EfficientNetB"):
        # A layer without weights: whether a file needs it cannot be seen.
        raise InputError(
            f"weights.source: expected imagenet or none for {name}, to which Keras adds a layer "
            f"for its own weights only. Received: {source!r}."
        )
    path = Path(source)
    require_file(path, sha256, source, "imagenet, none or the path of a file")
    return application(name, alpha, image_size, path)


def require_file(path: Path, sha256: str | None, source: str, expected: str) -> None:
    """Raise InputError if there is no such file, or its hash is another. `source` is its name."""
    if not path.is_file():
        raise InputError(
            f"weights.source: expected {expected}. Received: {without_secrets(source)!r}, which is "
            "no file."
        )
    _verify(sha256, digest(path), source)


def weights_sha256(network: keras.Model) -> str:
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(weight.astype("<f4").tobytes())
    return digest.hexdigest()


def _verify(expected: str | None, received: str, what: str) -> None:
    if expected != received:
        raise InputError(
            f"weights.sha256: expected the hash of {what}. Received: {expected or 'null'}, where "
            f"it is {received}. Set this one if these are the right weights."
        )
