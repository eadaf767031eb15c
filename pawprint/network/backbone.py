"""The pre-trained network without its top."""

from pathlib import Path

import h5py
import numpy as np

from pawprint.core.errors import InputError, reason
from pawprint.network.applications import pretrained
from pawprint.network.backend import keras


def save_weights(backbone: keras.Model, path: Path, dtype: str = "float32") -> None:
    """Write the HDF5 layout in which Keras publishes weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in backbone.layers]
        for layer in backbone.layers:
            group = file.create_group(layer.name)
            names = [f"{index}/{weight.name}" for index, weight in enumerate(layer.weights)]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, weight in zip(names, layer.weights):
                group[name] = weight.numpy().astype(dtype)


def load_backbone(name: str, alpha: float | None, image_size: int, weights: Path) -> keras.Model:
    """An application of Keras with the weights in a file.

    Takes what `preprocessing(name)` gives, and gives feature maps. Raises InputError if the weights
    fit another network.
    """
    try:
        return pretrained(name, alpha, image_size, weights)
    except (ValueError, OSError, KeyError) as error:
        width = "" if alpha is None else f", alpha {alpha} (model.alpha)"
        raise InputError(
            f"{weights}: expected weights of {name} (model.backbone) without top{width}. "
            f"Received: {reason(error)} Check weights.source."
        ) from None
