"""The app: links to its pages, and their style. Run: `pawprint app`"""

import streamlit as st

from pawprint import project
from pawprint.app import (
    page_add,
    page_compare,
    page_data,
    page_images,
    page_label,
    page_run,
    page_try,
)
from pawprint.app.messages import explain_errors, plain
from pawprint.files import md5
from pawprint.git import current_commit
from pawprint.reports.pages import DIGITS, project_name

# The button of a photo covers the photo, so that a click on the photo presses it. The photo that
# gets a label fits into the window.
STYLE = """<style>
[class*="st-key-photo-"] {position: relative}
[class*="st-key-photo-"] .stElementToolbar {display: none}
[class*="st-key-photo-"] .stElementContainer:has(.stButton) {position: static}
[class*="st-key-photo-"] button::after {content: ""; position: absolute; inset: 0; cursor: pointer}
.st-key-about strong {font-size: 1.25rem}
.st-key-asked img {max-height: calc(100vh - 23rem); object-fit: contain}
</style>"""


def frame(page):
    """The page for Streamlit. The last word of its module name is its address.

    It has no icon, for which browsers would ask a server of Google: the links have it.
    """

    def show() -> None:
        st.html(STYLE)
        st.title(page.TITLE, anchor=False)
        with explain_errors():
            page.show()

    return st.Page(show, title=page.TITLE, url_path=page.__name__.split("_")[-1])


ORDER = (page_run, page_add, page_images, page_data, page_label, page_try, page_compare)
PAGES = {frame(page): page.ICON for page in ORDER}
current = st.navigation(list(PAGES), position="hidden")
title = f"{current.title} · {project_name()}"
st.set_page_config(page_title=title, page_icon="🐾", layout="wide")
about = [f"**{plain(project_name())}**"]
if commit := current_commit(digits=7):
    about.append(f"commit {commit}")
if project.SPLIT_CSV.exists():
    about.append(f"images {md5(project.SPLIT_CSV)[:DIGITS]}")
with st.container(key="about"):
    st.markdown(" · ".join(about))
with st.container(horizontal=True):  # Streamlit's own navigation is behind a menu on phones
    for page, icon in PAGES.items():
        st.page_link(page, icon=icon)
current.run()
