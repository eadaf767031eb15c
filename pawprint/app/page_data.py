"""Data: the images of each split, rejected files and near-duplicates."""

import streamlit as st

from pawprint import project
from pawprint.app import photos
from pawprint.app.messages import explain_errors, plain
from pawprint.dataset.splitting import divided_groups
from pawprint.project import SPLITS
from pawprint.reports.pages import count_images
from pawprint.tables import read_table

TITLE, ICON = "Data", ":material/database:"


def show() -> None:
    parts = {
        "Counts": show_counts,
        "Rejected": show_rejected,
        "Near-duplicates": show_near_duplicates,
    }
    tabs = st.tabs(list(parts), key="part", on_change="rerun")
    for tab, part in zip(tabs, parts.values()):
        if tab.open:
            with tab, explain_errors():
                part()


def show_counts() -> None:
    images = read_table(project.SPLIT_CSV, project.SPLIT)
    counts = count_images(images)[list(SPLITS)]
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(images):,}")
        for split, number in counts.sum().items():
            st.metric(split.capitalize(), f"{number:,}")
    st.dataframe(counts, alt="Images per class and split")


def show_rejected() -> None:
    rows = read_table(project.REJECTED_CSV, project.REJECTED)
    if rows.empty:
        st.success("None: all files are usable.")
        return
    st.markdown(f"{len(rows):,} files are rejected.")
    st.dataframe(rows, hide_index=True, alt="Rejected files with reason and detail")


def show_near_duplicates() -> None:
    rows = read_table(project.NEAR_DUPLICATES_CSV, project.NEAR_DUPLICATES)
    if rows.empty:
        st.success("None: no two images are near-duplicates.")
        return
    groups = rows.groupby("group", sort=False)
    st.markdown(f"{len(rows):,} images are near-duplicates, in {groups.ngroups:,} groups.")
    if across := divided_groups(rows):
        st.warning(
            f"{across:,} groups lie across splits: a copy of a training image makes the "
            "measured accuracy too high. They come first."
        )
    order = (groups["split"].transform("nunique") == 1).argsort(kind="stable")
    rows = rows.assign(number=rows["group"].factorize()[0] + 1).iloc[order]
    if row := photos.grid(rows, "near", place):
        photos.open_large(row.path, place(row))


def place(row) -> str:
    return f"group {row.number}: {plain(row.label)}, {plain(row.split)}"
