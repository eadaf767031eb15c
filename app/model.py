"""The model as the app uses it: loaded once, on first use."""

from __future__ import annotations  # for names of what is imported late

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pandas  # noqa: F401  Keras' import hides it for a moment, from Streamlit's other threads too
import streamlit as st
from PIL import Image

from app import files
from stages.shared import paths
from stages.shared.images import resize

if TYPE_CHECKING:  # TensorFlow takes seconds to import, and most pages need no model
    from stages.shared.network import Trained

SHOWN = 600  # pixels of the side of a picture of saliency


class Network(NamedTuple):
    """A model, and the fast way to run it on one image."""

    trained: Trained
    run: Callable[[np.ndarray], list[np.ndarray]]

    def probability(self, image: Image.Image) -> float:
        """Of the second class."""
        (output,) = self.run(self._square(image, self.trained.model.input_shape[1]))
        return float(output[0])

    def saliency(self, image: Image.Image) -> np.ndarray:
        """uint8 `(SHOWN, SHOWN, 3)`: what the model sees of the image, and where it looks."""
        from stages.shared.saliency import grad_cam, overlay

        model = self.trained.model
        heat = grad_cam(model, self._square(image, model.input_shape[1]))
        return overlay(self._square(image, SHOWN), cv2.resize(heat, (SHOWN, SHOWN)))

    def _square(self, image: Image.Image, size: int) -> np.ndarray:
        return resize(image, size, self.trained.resize)


def network() -> Network:
    """Raises NotHereError if the model is not here, InputError if it is none of ours."""
    return _network(files.stamp(paths.CALIBRATED_MODEL))


@st.cache_resource(max_entries=1, show_spinner="Loading the model …")
def _network(stamp: files.Stamp) -> Network:
    from stages.shared.inference import compile_network
    from stages.shared.network import load_model

    trained = load_model(paths.CALIBRATED_MODEL)
    return Network(trained, compile_network(trained.model))
