"""Try it: label, probabilities and saliency of the user's own photos. They are not stored."""

import streamlit as st

from pawprint.app import photos
from pawprint.app.messages import explain_errors, plain
from pawprint.app.photos import predictor
from pawprint.classes import UNKNOWN, UNSURE
from pawprint.images.decoder import FORMATS
from pawprint.model.predictor import Predictor

TITLE, ICON = "Try it", ":material/add_a_photo:"
MOST = 5  # labels shown of each photo, the most probable ones


def show() -> None:
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
    st.header(plain(name), anchor=False)
    image = served.decode(data).image
    predicted = served.predict(image)
    probabilities, score = predicted.probabilities, predicted.unknown_score
    labels, thresholds = served.metadata.labels, served.metadata.thresholds
    answer, pictures = st.columns([1, 3], gap="medium")
    with answer:
        st.metric("Label", plain(predicted.label))
        if predicted.label == UNKNOWN:
            st.caption(
                f"Unlike the training images: the unknown score is {score:.2f}, above "
                f"{served.metadata.unknown_threshold:.2f}. The probabilities assume that the image "
                "shows one of the classes."
            )
        if predicted.label == UNSURE:
            st.caption(
                "A person should decide: the probability of the class is below "
                f"{served.metadata.min_confidence:.1%}."
            )
        for index in (-probabilities).argsort(kind="stable")[:MOST]:
            value = float(probabilities[index])
            st.progress(value, f"{plain(labels[index])} {value:.1%}")
        for label, threshold in thresholds.items():
            st.caption(f"{plain(label)} is predicted from {threshold:.1%} on.")
    with pictures:
        photos.show_with_saliency(image, name)
