"""The app: navigation, style and the four pages. Run: `make app`"""

import streamlit as st

from app import page_data, page_images, page_models, page_try
from app.messages import explained

# The button of a photo covers the photo, so that a click on the photo presses it.
STYLE = """<style>
.stMainBlockContainer {max-width: 76rem; padding-top: 4.5rem}
[class*="st-key-photo-"] {position: relative}
[class*="st-key-photo-"] .stElementToolbar {display: none}
[class*="st-key-photo-"] .stElementContainer:has(.stButton) {position: static}
[class*="st-key-photo-"] button::after {content: ""; position: absolute; inset: 0; cursor: pointer}
[class*="st-key-photo-"] img {border-radius: 0.4rem}
.scores, .numbers {border-collapse: collapse; width: 100%}
:is(.scores, .numbers) :is(th, td) {padding: 0.4rem 0.6rem; text-align: right; font-weight: 400}
:is(.scores, .numbers) th {color: #57606a}
.numbers th:first-child {overflow-wrap: anywhere}
.numbers :not(:first-child):is(th, td) {white-space: nowrap}
.scrolling {overflow-x: auto}
:is(.scores, .numbers) tbody th, .scores tfoot th, .numbers th:first-child {text-align: left}
.numbers {font-size: 0.92rem; font-variant-numeric: tabular-nums}
.numbers :is(th, td) {border-bottom: 1px solid #e3e6e9; padding: 0.3rem 0.4rem}
.scores .correct, .scores .wrong {font-size: 1.35rem; font-weight: 600}
.scores .correct {background: #e3eef6}
.scores .wrong {background: #fbeae1}
</style>"""


def frame(page):
    """The page for Streamlit. The last word of its module name is its address."""

    def shown() -> None:
        st.html(STYLE)
        st.title(page.TITLE, anchor=False)
        with explained():
            page.show()

    return st.Page(shown, title=page.TITLE, icon=page.ICON, url_path=page.__name__.split("_")[-1])


PAGES = (page_models, page_images, page_try, page_data)
st.set_page_config(page_title="Pawprint", page_icon="🐾", layout="wide")
st.navigation([frame(page) for page in PAGES], position="top").run()
