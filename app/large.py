"""One image large, beside what in it the model's answer hangs on."""

import streamlit as st
from PIL import Image

from app import photos
from app.messages import explained, literal
from app.model import saliency

SALIENCY = "What the model sees; the brighter, the more its answer hangs on that place (Grad-CAM)."


def open_large(name: str, says: str) -> None:
    """A dialog with the photo of a usable image, and Markdown under it."""

    @st.dialog(literal(photos.alt(name)), width="large")
    def dialog() -> None:
        with explained():
            st.markdown(says)
            image = photos.large(name)
            left, right = st.columns(2)
            left.image(image, width="stretch", alt=photos.alt(name))
            with right, explained():
                show_saliency(image, photos.alt(name))
            st.caption(literal(name))

    dialog()


def show_saliency(image: Image.Image, alt: str) -> None:
    """What the model looked at in an image."""
    st.image(saliency(image), width="stretch", alt=f"Grad-CAM of {alt}", caption=SALIENCY)
