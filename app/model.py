"""The model as the app uses it: loaded once, on first use."""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas  # noqa: F401  Keras' import hides it for a moment, from Streamlit's other threads too
import streamlit as st
from PIL import Image

from app import files
from stages.shared import paths
from stages.shared.images import resize

MODEL = paths.FINETUNE_MODEL
THRESHOLD = 0.5
HEAT = 0.45  # share of the saliency's colour in what is shown


class Network(NamedTuple):
    keras_model: Any
    labels: list[str]
    threshold: float
    run: Callable[[np.ndarray], list[np.ndarray]]

    def pixels(self, image: Image.Image) -> np.ndarray:
        """uint8 `(size, size, 3)`, as the model takes them."""
        return resize(image, self.keras_model.input_shape[1])

    def probability(self, image: Image.Image) -> float:
        """Of the second class."""
        (output,) = self.run(self.pixels(image))
        return float(output[0])

    def saliency(self, image: Image.Image) -> Image.Image:
        """The image, coloured from violet to yellow by how much the answer hangs on each place."""
        heat = grad_cam(self.keras_model, self.pixels(image))
        colours = cv2.applyColorMap(np.uint8(255 * heat), cv2.COLORMAP_INFERNO)[:, :, ::-1]
        return Image.blend(image, Image.fromarray(colours).resize(image.size), HEAT)


def network() -> Network:
    """Raises NotHereError if the model is not here, InputError if it is none of ours."""
    return _network(files.stamp(MODEL))


@st.cache_resource(max_entries=1, show_spinner="Loading the model …")
def _network(stamp: files.Stamp) -> Network:
    # TensorFlow takes seconds to import, and most pages need no model.
    from stages.shared.inference import compile_network
    from stages.shared.network import load_model

    model, labels, *_ = load_model(MODEL)
    return Network(model, labels, THRESHOLD, compile_network(model))


def grad_cam(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Grad-CAM of the more probable class: float32 `(size, size)` in [0, 1], for uint8 pixels.

    https://arxiv.org/abs/1610.02391
    """
    from stages.shared.backend import keras, tf
    from stages.shared.network import BASE

    base = model.get_layer(BASE)
    parts = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    maps = tf.cast(pixels[None], tf.float32)
    for layer in parts[: parts.index(base) + 1]:
        maps = layer(maps, training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        output = maps
        for layer in parts[parts.index(base) + 1 :]:
            output = layer(output, training=False)
        second = output[0, 0]
        answer = tf.math.log(second) if second >= 0.5 else tf.math.log(1 - second)
    weights = tf.reduce_mean(tape.gradient(answer, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0].numpy()
    heat = cv2.resize(heat, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(heat / (heat.max() or 1), 0, 1).astype(np.float32)
