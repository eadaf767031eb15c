"""What the app shows: the project, its commit and its images."""

from datetime import datetime

import streamlit as st

from pawprint import project
from pawprint.app import files
from pawprint.app.messages import plain
from pawprint.files import md5
from pawprint.package import current_commit
from pawprint.recorded import Recorded
from pawprint.reports.pages import project_name

DIGITS = 8  # of a hash, as in the report


def show_about() -> None:
    """One line with the name of the project, the commit, and the images with their date."""
    about = [f"**{plain(project_name())}**"]
    if commit := current_commit(digits=7):
        about.append(f"commit {commit}")
    if project.SPLIT_CSV.exists():
        about.append(images(files.stamp(project.SPLIT_CSV)))
    st.markdown(" · ".join(about))


@st.cache_data(max_entries=1, show_spinner=False)
def images(stamp: files.Stamp) -> str:
    """The MD5 of the table of the split, and when it was made or came to this computer.

    `dvc checkout` makes the file again; DVC's cache keeps the first one.
    """
    hashed = md5(project.SPLIT_CSV)
    found = [project.SPLIT_CSV, Recorded().file(hashed)]
    made = datetime.fromtimestamp(min(path.stat().st_mtime for path in found if path.exists()))
    return f"images {hashed[:DIGITS]} of {made:%Y-%m-%d %H:%M}"
