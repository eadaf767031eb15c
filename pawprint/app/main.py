"""The app that `pawprint app` runs: links to its pages, and their style."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from pawprint import paths
from pawprint.app import (
    HERE,
    page_add,
    page_compare,
    page_data,
    page_label,
    page_predictions,
    page_run,
)
from pawprint.app.photos import explain_errors, plain
from pawprint.files import md5
from pawprint.git import current_commit
from pawprint.projects import labelling
from pawprint.reports.pages import DIGITS, project_name

# The button of a photo covers it, so that clicking on the photo presses the button. A photo to be
# labelled fits into the window. A tab that was clicked keeps the focus while keys label photos, so
# a line shows it instead of a frame.
STYLE = """<style>
[class*="st-key-photo-"] {position: relative}
[class*="st-key-photo-"] .stElementToolbar {display: none}
[class*="st-key-photo-"] .stElementContainer:has(.stButton) {position: static}
[class*="st-key-photo-"] button::after {content: ""; position: absolute; inset: 0; cursor: pointer}
[data-testid="stMainBlockContainer"] {padding-top: 3rem}
.st-key-about strong {font-size: 1.25rem}
[role="tab"][data-testid="stTab"][data-focus-visible="true"] {box-shadow: none}
[data-testid="stTab"][data-focus-visible="true"] p {text-decoration: underline}
.st-key-asked img {max-height: calc(100vh - 18rem); object-fit: contain}
</style>"""
# The menu names the Label page, so that its photos get the room of the title and of the margins.
ROOM = """<style>
[data-testid="stMainBlockContainer"] {padding: .75rem 1rem}
[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] {gap: .5rem}
.stHeading:has(h1) {position: absolute; clip-path: inset(50%)}
[role="tabpanel"] {padding-top: .5rem}
</style>"""


def show_page(title: str, show: Callable[[], None]) -> None:
    """Show a page with its title, and errors as a single sentence."""
    st.html(STYLE + ROOM if show is page_label.show else STYLE)
    st.title(title, anchor=False)
    with explain_errors():
        show()


# Title, icon, address and content of each page. The icon is in the link and not in `st.Page`,
# because browsers would request the latter from a Google server.
ORDER = (
    ("Run", "play_circle", "run", page_run.show_run),
    ("Add photos", "upload", "add", page_add.show_upload),
    ("This run", "grid_view", "images", page_predictions.show_predictions),
    ("Report", "description", "report", page_run.show_report),
    ("Data", "database", "data", page_data.show_data),
    ("Label", "label", "label", page_label.show),
    ("Try it", "add_a_photo", "try", page_predictions.show_trial),
    ("Compare", "compare_arrows", "compare", page_compare.show_comparison),
)
PAGES = {
    st.Page(partial(show_page, title, show), title=title, url_path=address): f":material/{icon}:"
    for title, icon, address, show in ORDER
}
current = st.navigation(list(PAGES), position="hidden")
if "is_open" not in st.session_state:
    st.session_state["is_open"] = True
    with explain_errors():
        if current.title == ORDER[0][0] and labelling.comes_first(HERE):
            st.switch_page(next(page for page in PAGES if page.title == "Label"))
title = f"{current.title} · {project_name()}"
st.set_page_config(page_title=title, page_icon="🐾", layout="wide")
about = [f"**{plain(project_name())}**"]
if commit := current_commit(digits=7):
    about.append(f"commit {commit}")
if paths.SPLIT_CSV.exists():
    about.append(f"images {md5(paths.SPLIT_CSV)[:DIGITS]}")
# On phones, Streamlit hides its navigation in a menu.
with st.container(key="about", horizontal=True, vertical_alignment="center"):
    st.markdown(" · ".join(about), width="content")
    for page, icon in PAGES.items():
        st.page_link(page, icon=icon)
current.run()
