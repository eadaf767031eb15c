"""Show the page Try it: the label, the probabilities and the saliency map of uploaded photos."""

from pathlib import Path

import streamlit as st
from PIL import Image

from pawprint.app import photos
from pawprint.app.photos import HASHED, explain_errors, plain
from pawprint.base.labels import UNKNOWN, UNSURE
from pawprint.given.decoding.formats import FORMATS
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import Prediction, Predictor, default_model, load_predictor
from pawprint.model.saliency import saliency_of

MAX_SHOWN = 5  # most probable labels shown for each photo


def show() -> None:
    """Show a form for photos, and the model's predictions for them."""
    st.markdown("Upload photos to see what the model predicts. They stay on this computer.")
    folder = default_model()
    served(folder)  # raises InputError before the first photo
    st.caption(f"The model is {plain(str(folder))}.")
    files = st.file_uploader(
        f"Photos ({', '.join(FORMATS)})", type="image", accept_multiple_files=True
    )
    for file in files:
        with st.container(border=True), explain_errors():
            st.header(plain(file.name), anchor=False)
            show_answer(file.name, *explained(file.getvalue(), folder))


@st.cache_data(max_entries=200, show_spinner="Predicting …", hash_funcs=HASHED)
def explained(data: bytes, folder: Path) -> tuple[Prediction, Metadata, str, str]:
    """Return what a model predicts for an image file, the model's rules, the photo and its map.

    Both pictures are data URIs. Raises UnusableImageError, and InputError if the model is damaged.
    """
    predictor = served(folder)
    image = predictor.decode(data).image
    prediction = predictor.predict_rgb(image)
    rules = predictor.metadata
    first = rules.labels[rules.order(prediction.probabilities)[0]]  # of several labels
    picture = Image.fromarray(saliency_of(predictor, image, first))
    return prediction, rules, photos.shrunk(image), photos.data_uri(picture)


@st.cache_resource(max_entries=1, show_spinner="Loading the model …", hash_funcs=HASHED)
def served(folder: Path) -> Predictor:
    """Return the model in a folder. Raises InputError."""
    return load_predictor(folder)


def show_answer(name: str, predicted: Prediction, rules: Metadata, photo: str, map_: str) -> None:
    """Show the prediction for an image, and next to it the photo and its saliency map."""
    answer, left, right = st.columns([2, 3, 3], gap="medium")
    with answer:
        st.metric("Label", plain(predicted.label))
        if predicted.label == UNKNOWN:
            st.caption(
                "This image is unlike the training images: its unknown score is "
                f"{predicted.unknown_score:.2f}, above {rules.unknown_threshold:.2f}. The "
                "probabilities assume that the image shows one of the classes."
            )
        if predicted.label == UNSURE:
            st.caption(
                "A person should decide, because the class probability is below "
                f"{rules.min_confidence:.1%}."
            )
        for index in (-predicted.probabilities).argsort(kind="stable")[:MAX_SHOWN]:
            value = float(predicted.probabilities[index])
            st.progress(value, f"{plain(rules.labels[index])} {value:.1%}")
        for label, threshold in rules.thresholds.items():
            st.caption(f"{plain(label)} is predicted at a probability of at least {threshold:.1%}.")
    left.image(photo, width="stretch", alt=name)
    caption = "Brighter regions have more influence on the prediction."
    right.image(map_, width="stretch", alt=f"Saliency of {name}", caption=caption)
