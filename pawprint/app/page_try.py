"""Show the page Try it: the predictions for photos that somebody uploads."""

import streamlit as st

from pawprint.app import photos
from pawprint.app.photos import explain_errors, plain, predictor
from pawprint.classes import UNKNOWN, UNSURE
from pawprint.decoding.decoder import FORMATS
from pawprint.model.predictor import Predictor

MAX_SHOWN = 5  # most probable labels shown for each photo


def show_trial() -> None:
    """Show a form for photos, and the model's predictions for them."""
    st.markdown("Upload photos to see what the model predicts. They stay on this computer.")
    served = predictor()
    st.caption(f"The model is {plain(str(served.folder))}.")
    files = st.file_uploader(
        f"Photos ({', '.join(FORMATS)})", type="image", accept_multiple_files=True
    )
    for file in files:
        with st.container(border=True), explain_errors():
            show_answer(file.name, file.getvalue(), served)


def show_answer(name: str, data: bytes, served: Predictor) -> None:
    """Show the prediction for an image file. Raises UnusableImageError."""
    st.header(plain(name), anchor=False)
    image = served.decode(data).image
    predicted = served.predict(image)
    metadata = served.metadata
    answer, pictures = st.columns([1, 3], gap="medium")
    with answer:
        st.metric("Label", plain(predicted.label))
        if predicted.label == UNKNOWN:
            st.caption(
                "This image is unlike the training images: its unknown score is "
                f"{predicted.unknown_score:.2f}, above {metadata.unknown_threshold:.2f}. The "
                "probabilities assume that the image shows one of the classes."
            )
        if predicted.label == UNSURE:
            st.caption(
                "A person should decide, because the class probability is below "
                f"{metadata.min_confidence:.1%}."
            )
        for index in (-predicted.probabilities).argsort(kind="stable")[:MAX_SHOWN]:
            value = float(predicted.probabilities[index])
            st.progress(value, f"{plain(metadata.labels[index])} {value:.1%}")
        for label, threshold in metadata.thresholds.items():
            st.caption(f"{plain(label)} is predicted at a probability of at least {threshold:.1%}.")
    with pictures:
        photos.show_with_saliency(image, name)
