"""The model as the app uses it: loaded once, on first use."""

from __future__ import annotations  # for names of what is imported late

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas  # noqa: F401  Keras' import hides it for a moment, from Streamlit's other threads too
import streamlit as st
from PIL import Image

from app import files
from pawprint.core import paths
from pawprint.images.resizing import resize
from pawprint.serving.classifier import Classifier, load_classifier

if TYPE_CHECKING:
    from pawprint.network.backend import keras
    from pawprint.serving.metadata import Meaning

SHOWN = 600  # pixels of the side of a picture of saliency


def classifier() -> Classifier:
    """Raises NotHereError if the model is not here, InputError if it is none of ours."""
    return _classifier(files.stamp(paths.CALIBRATED_MODEL))


@st.cache_resource(max_entries=1, show_spinner="Loading the model …")
def _classifier(stamp: files.Stamp) -> Classifier:
    return load_classifier(paths.CALIBRATED_MODEL)


def saliency(image: Image.Image) -> np.ndarray:
    """uint8 `(SHOWN, SHOWN, 3)`: what the model sees of the image, and where it looks.

    Raises as classifier does.
    """
    from pawprint.network.saliency import grad_cam, overlay  # TensorFlow takes seconds to import

    model, meaning = _network(files.stamp(paths.CALIBRATED_MODEL))
    heat = grad_cam(model, resize(image, model.input_shape[1], meaning.resize))
    return overlay(resize(image, SHOWN, meaning.resize), cv2.resize(heat, (SHOWN, SHOWN)))


@st.cache_resource(max_entries=1, show_spinner="Loading the model …")
def _network(stamp: files.Stamp) -> tuple[keras.Model, Meaning]:
    from pawprint.network.model import load_model

    return load_model(paths.CALIBRATED_MODEL)
