"""Try it: label, probability and saliency of photos of the user's own. They are not kept."""

import streamlit as st

from app import photos
from app.large import show_saliency
from app.messages import explained, literal
from app.model import classifier
from pawprint.images.decoder import FORMATS, decode
from pawprint.images.resizing import resize
from pawprint.images.unusable import UnusableImageError
from pawprint.serving.classifier import Classifier

TITLE, ICON = "Try it", ":material/add_a_photo:"


def show() -> None:
    st.markdown("Drop in photos and see what the model says. They stay on this computer.")
    known = classifier()
    given = st.file_uploader(
        f"Photos ({', '.join(FORMATS)})", type="image", accept_multiple_files=True
    )
    if st.toggle("Use the camera"):
        picture = st.camera_input("Camera")
        given = [picture, *given] if picture else given
    for file in given:
        with st.container(border=True), explained():
            show_answer(file.name, file.getvalue(), known)


def show_answer(name: str, data: bytes, known: Classifier) -> None:
    st.header(literal(name), anchor=False)
    try:
        image = decode(data)
    except UnusableImageError as unusable:
        st.warning(
            f"No answer: this file is {literal(str(unusable))}. "
            f"A whole {', '.join(FORMATS[:-1])} or {FORMATS[-1]} is needed.",
            icon=":material/broken_image:",
        )
        return
    probability = known.run(resize(image, known.size, known.resize))
    label = known.labels[int(probability >= known.threshold)]
    photo, saliency, answer = st.columns([3, 3, 2], gap="medium")
    image = photos.shrunk(image)
    photo.image(image, width="stretch", alt=name)
    with saliency:
        show_saliency(image, name)
    with answer:
        st.metric("Label", label)
        for index, each in enumerate(known.labels):
            share = probability if index else 1 - probability
            st.progress(share, f"{literal(each)} {share:.1%}")
        st.caption(f"From {known.threshold:.1%} on it is taken for {literal(known.labels[1])}.")
