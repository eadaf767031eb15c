"""The app that `pawprint app` runs: links to its pages, and their style."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from pawprint.app import page_label, page_run, page_try
from pawprint.app.photos import explain_errors, plain
from pawprint.artifacts import project_name

# A tab that was clicked keeps the focus while keys label photos, so a line shows it instead of a
# frame.
STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding-top: 3rem}
.st-key-about strong {font-size: 1.25rem}
[role="tab"][data-testid="stTab"][data-focus-visible="true"] {box-shadow: none}
[data-testid="stTab"][data-focus-visible="true"] p {text-decoration: underline}
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
    ("Label", "label", "label", page_label.show),
    ("Run", "play_circle", "run", page_run.show),
    ("Try it", "add_a_photo", "try", page_try.show),
    ("Report", "", "report", page_run.show_report),  # the page Run leads to it
)
PAGES = {
    st.Page(partial(show_page, title, show), title=title, url_path=address): icon
    for title, icon, address, show in ORDER
}
current = st.navigation(list(PAGES), position="hidden")
st.set_page_config(page_title=f"{current.title} · {project_name()}", page_icon="🐾", layout="wide")
# On phones, Streamlit hides its navigation in a menu.
with st.container(key="about", horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{plain(project_name())}**", width="content")
    for page, icon in PAGES.items():
        if icon:
            st.page_link(page, icon=f":material/{icon}:")
current.run()
