"""The pre-trained network without its top."""

from pathlib import Path

import h5py
import numpy as np

from pawprint.core.errors import InputError
from pawprint.network.backend import keras
from pawprint.serving.keras_file import BASE


def new_base(alpha: float, image_size: int) -> keras.Model:
    """MobileNetV2 without its top: float32 `(batch, size, size, 3)` in [-1, 1] to feature maps.

    Its weights are random.
    """
    return keras.applications.MobileNetV2(
        (image_size, image_size, 3), alpha, include_top=False, weights=None, name=BASE
    )


def save_weights(base: keras.Model, path: Path, dtype: str = "float32") -> None:
    """Write the layout of Keras' own published weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in base.layers]
        for layer in base.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, weight in zip(names, layer.weights):
                group[name] = weight.numpy().astype(dtype)


def load_base(alpha: float, image_size: int, weights: Path) -> keras.Model:
    """The base with the weights in a file. Raises InputError if they are of another network."""
    base = new_base(alpha, image_size)
    try:
        base.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{weights}: expected weights of MobileNetV2 without top, alpha {alpha} "
            f"(model.alpha). Received: {reason} Check weights.source."
        ) from None
    return base
