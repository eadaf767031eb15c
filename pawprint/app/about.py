"""What the app shows: the project, its commit and its images."""

from datetime import datetime

import streamlit as st

from pawprint import project
from pawprint.app import files
from pawprint.app.messages import plain
from pawprint.files import md5
from pawprint.recorded import Recorded
from pawprint.reports.pages import project_name
from pawprint.revisions import current_commit

DIGITS = 8  # of a hash, as in the report


def show_about() -> None:
    """One line with the name of the project, the commit, and the images with their date."""
    about = [f"**{plain(project_name())}**"]
    if commit := current_commit(digits=7):
        about.append(f"commit {commit}")
    if project.SPLIT_CSV.exists():
        images = md5(project.SPLIT_CSV)
        made = made_at(images, files.stamp(project.SPLIT_CSV))
        about.append(f"images {images[:DIGITS]} of {made:%Y-%m-%d %H:%M}")
    st.markdown(" · ".join(about))


@st.cache_data(max_entries=1, show_spinner=False)
def made_at(images: str, stamp: files.Stamp) -> datetime:
    """When the table of the split with this MD5 was made, or came to this computer.

    `dvc checkout` makes the file again; DVC's cache keeps the first one.
    """
    found = [project.SPLIT_CSV, Recorded().file(images)]
    return datetime.fromtimestamp(min(path.stat().st_mtime for path in found if path.exists()))
