"""The models that the app runs, each loaded on first use."""

from pathlib import Path

import cv2
import numpy as np
import streamlit as st
from PIL import Image

from pawprint.app import files
from pawprint.images.pixels import resize
from pawprint.serving.predictor import Predictor, default_model, load_predictor
from pawprint.serving.saliency import occlusion, overlay

SALIENCY = "Regions that drive the prediction, the brighter the more (occlusion)."
SALIENCY_SIZE = 600  # pixels of its side


def predictor() -> Predictor:
    """The served model, or the one in Git. Raises InputError if it is damaged."""
    folder = default_model()
    return _predictor(folder, files.stamp(folder))


def show_saliency(image: Image.Image, alt: str) -> None:
    """The image with its saliency over it. Raises InputError if the model is missing or damaged."""
    served = predictor()
    shape = served.metadata
    label = shape.labels.index(served.class_of(served.predict(image).probabilities))
    pixels = resize(image, shape.image_size, shape.resize)
    heat = _heat(pixels, label, served.folder, files.stamp(served.folder))
    picture = overlay(
        resize(image, SALIENCY_SIZE, shape.resize), cv2.resize(heat, (SALIENCY_SIZE, SALIENCY_SIZE))
    )
    st.image(picture, width="stretch", alt=f"Saliency of {alt}", caption=SALIENCY)


@st.cache_data(max_entries=200, show_spinner="Looking for the regions that matter …")
def _heat(pixels: np.ndarray, label: int, folder: Path, stamp: files.Stamp) -> np.ndarray:
    return occlusion(_predictor(folder, stamp), pixels, label)


@st.cache_resource(max_entries=1, show_spinner="Loading the model …")
def _predictor(folder: Path, stamp: files.Stamp) -> Predictor:
    return load_predictor(folder)
