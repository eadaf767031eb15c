"""The pre-trained network without its top."""

from pathlib import Path

import h5py
import numpy as np

from pawprint.core.errors import InputError
from pawprint.network.backend import keras

BACKBONE = "backbone"  # its name as a layer of the whole model


def new_backbone(alpha: float, image_size: int) -> keras.Model:
    """MobileNetV2 without its top: float32 `(batch, size, size, 3)` in [-1, 1] to feature maps.

    Its weights are random.
    """
    return keras.applications.MobileNetV2(
        (image_size, image_size, 3), alpha, include_top=False, weights=None, name=BACKBONE
    )


def save_weights(backbone: keras.Model, path: Path, dtype: str = "float32") -> None:
    """Write the HDF5 layout in which Keras publishes weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in backbone.layers]
        for layer in backbone.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, weight in zip(names, layer.weights):
                group[name] = weight.numpy().astype(dtype)


def load_backbone(alpha: float, image_size: int, weights: Path) -> keras.Model:
    """MobileNetV2 with the weights in a file. Raises InputError if they fit another network."""
    backbone = new_backbone(alpha, image_size)
    try:
        backbone.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{weights}: expected weights of MobileNetV2 without top, alpha {alpha} "
            f"(model.alpha). Received: {reason} Check weights.source."
        ) from None
    return backbone
