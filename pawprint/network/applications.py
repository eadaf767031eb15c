"""Keras' applications by name: networks without their top, published weights, preprocessing.

https://keras.io/api/applications/
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError, reason
from pawprint.network.backend import keras

PREPROCESSING, BACKBONE = "rescaling", "backbone"  # their names as layers of the whole model

# The address of a file and its hash, where Keras has one, to a local path.
GetFile = Callable[[str, str | None], str]


class _FoundError(Exception):
    """Ends the building of a network when Keras has named its file."""


def untrained(name: str, alpha: float | None, image_size: int) -> keras.Model:
    """A network with random weights: float32 `(batch, size, size, 3)` to feature maps.

    Raises InputError for an image size that the application cannot take.
    """
    return _build(name, alpha, image_size, None)


def pretrained(name: str, alpha: float | None, image_size: int, weights: Path) -> keras.Model:
    """The network that Keras builds for its published weights, with the weights in a file.

    Some applications have other layers than with random weights. Raises InputError as `untrained`,
    and what Keras raises for a file that does not fit.
    """
    return _build(name, alpha, image_size, lambda *_: str(weights))


def published(name: str, alpha: float | None, image_size: int) -> tuple[str, str | None]:
    """The URL of Keras' weights on ImageNet, and their MD5 or SHA-256 where Keras lists one.

    MobileNet and MobileNetV2 have files for several image sizes; other sizes take 224's.
    """

    def stop(url: str, digest: str | None) -> str:
        raise _FoundError(url, digest)

    # There are no files of more than full width for other sizes, for which Keras would ask.
    size = 224 if alpha and alpha > 1 else image_size
    try:
        _build(name, alpha, size, stop)
    except _FoundError as found:
        return found.args
    raise AssertionError(f"Keras has loaded no weights for {name}")


def _build(
    name: str, alpha: float | None, image_size: int, get_file: GetFile | None
) -> keras.Model:
    """An application whose weights come from `get_file`, or are random without one.

    Keras names its files inside the constructors only, as arguments of its downloader, which is
    replaced here while a network is built.
    """
    was_asked = False

    def give(_: str, origin: str, *, file_hash: str | None = None, **__) -> str:
        nonlocal was_asked
        was_asked = True
        return get_file(origin, file_hash)

    downloader = keras.src.utils.file_utils
    original, downloader.get_file = downloader.get_file, give
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes without weights of their own take 224's
            network = getattr(keras.applications, name)(
                input_shape=(image_size, image_size, 3),
                include_top=False,
                weights="imagenet" if get_file else None,
                **({} if alpha is None else {"alpha": alpha}),
            )
    except ValueError as error:
        if was_asked:
            raise
        raise InputError(
            f"params.yaml: model.image_size: expected a size that {name} takes. Received: "
            f"{image_size} ({reason(error).rstrip('.')})"
        ) from None
    finally:
        downloader.get_file = original
    # The layers keep the names that Keras gives them, which may begin with that of the network.
    return keras.Model(network.input, network.output, name=BACKBONE)


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
