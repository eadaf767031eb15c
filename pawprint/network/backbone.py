"""The pre-trained network without its top: an application of Keras, with its weights.

https://keras.io/api/applications/
"""

import hashlib
import sys
import warnings
from pathlib import Path

import numpy as np

from pawprint.errors import InputError, reason, without_secrets
from pawprint.files import digest
from pawprint.network.hardware import keras

PREPROCESSING, BACKBONE = "rescaling", "backbone"  # their names as layers of the whole model
IMAGENET = "imagenet"  # Keras' name of the weights that it publishes


def application(
    name: str, alpha: float | None, image_size: int, weights: str | Path | None = None
) -> keras.Model:
    """A network without its top: float32 `(batch, size, size, 3)` to feature maps.

    `weights` is IMAGENET, which Keras downloads to its cache, a file that Keras' `load_weights`
    takes, or None for random weights. Raises InputError for an image size that the application
    cannot take, weights that Keras cannot fetch, and a file that does not fit.
    """
    if weights == IMAGENET and alpha and alpha > 1 and image_size != 224:
        # There are no files of more than full width for other sizes, for which Keras would ask.
        network = application(name, alpha, image_size)
        network.set_weights(application(name, alpha, 224, weights).get_weights())
        return network
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes without weights of their own take 224's
            network = getattr(keras.applications, name)(
                input_shape=(image_size, image_size, 3),
                include_top=False,
                weights=weights and str(weights),
                **({} if alpha is None else {"alpha": alpha}),
            )
    except Exception as error:  # of Keras, the connection and the file
        if weights is None:
            raise InputError(
                f"model.image_size: expected a size that {name} takes. Received: "
                f"{image_size} ({reason(error).rstrip('.')})"
            ) from None
        application(name, alpha, image_size)  # raises InputError for the size
        raise InputError(_problem(name, alpha, weights, error)) from None
    # The layers keep the names that Keras gives them, which may begin with that of the network.
    return keras.Model(network.input, network.output, name=BACKBONE)


def _problem(name: str, alpha: float | None, weights: str | Path, error: Exception) -> str:
    if weights == IMAGENET:
        # Errors of the connection may show the password of a proxy; those of Keras do not.
        shown = reason(error) if type(error) in (Exception, OSError) else type(error).__name__
        return (
            f"weights.source: expected Keras' weights of {name}. Received: {shown}. Without a "
            "network, set KERAS_HOME to a writable folder with this file in models/, or "
            "weights.source to a local file. Delete a damaged file there."
        )
    width = "" if alpha is None else f", alpha {alpha} (model.alpha)"
    return (
        f"{weights}: expected weights of {name} (model.backbone) without top{width}. "
        f"Received: {reason(error)} Check weights.source."
    )


def preprocessing(name: str) -> keras.layers.Layer:
    """From RGB pixels, `(batch, size, size, 3)` in [0, 255], to what the application takes.

    Keras' `preprocess_input` of an application is a scale and an offset, for some after a change
    from RGB to BGR; it is the identity for networks that rescale by themselves. Here it is a layer,
    which is saved and exported with the model.
    """
    preprocess = sys.modules[getattr(keras.applications, name).__module__].preprocess_input
    black, white, red = preprocess(np.array([[0.0] * 3, [255.0] * 3, [255.0, 0.0, 0.0]]))
    scale, offset = (white - black) / 255, black
    if (scale == 1).all() and (offset == 0).all():
        return keras.layers.Identity(name=PREPROCESSING)
    options = [each[0].item() if np.ptp(each) == 0 else each.tolist() for each in (scale, offset)]
    rescaling = keras.layers.Rescaling(*options, name=PREPROCESSING)
    if red[0] != black[0]:
        return rescaling
    rgb = keras.Input((None, None, 3))
    bgr = keras.ops.take(rgb, [2, 1, 0], axis=-1)
    return keras.Model(rgb, rescaling(bgr), name=PREPROCESSING)


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
