"""Show the page Data: images per class, rejected files, near-duplicates, and unusual images."""

from operator import itemgetter

import pandas as pd
import streamlit as st

from pawprint import paths
from pawprint.app import photos
from pawprint.app.photos import plain
from pawprint.columns import IMAGES, NEAR_DUPLICATES, REJECTED, SPLIT, SPLITS
from pawprint.dataset.splitting import divided_groups
from pawprint.dataset.unusual import describe_unusual, find_unusual
from pawprint.errors import counted
from pawprint.reports.pages import count_images
from pawprint.tables import read_table


def show_data() -> None:
    """Show the data of the last run in tabs."""
    parts = {
        "Counts": show_counts,
        "Rejected": show_rejected,
        "Near-duplicates": show_near_duplicates,
        "Unusual": show_unusual,
    }
    photos.show_tabs(parts, "part")


def show_counts() -> None:
    """Show the number of images of each class and split."""
    images = read_table(paths.SPLIT_CSV, SPLIT)
    counts = count_images(images)[list(SPLITS)]
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(images):,}")
        for split, number in counts.sum().items():
            st.metric(split.capitalize(), f"{number:,}")
    st.dataframe(counts, alt="Images per class and split")


def show_rejected() -> None:
    """Show the rejected files with their reasons."""
    rows = read_table(paths.REJECTED_CSV, REJECTED)
    if rows.empty:
        st.success("None: all files are usable.")
        return
    st.markdown(f"{counted(len(rows), 'rejected file')}.")
    st.dataframe(rows, hide_index=True, alt="Rejected files with reason and detail")


def show_near_duplicates() -> None:
    """Show the groups of near-duplicates, starting with groups divided between splits."""
    rows = read_table(paths.NEAR_DUPLICATES_CSV, NEAR_DUPLICATES)
    if rows.empty:
        st.success("None: no two images are near-duplicates.")
        return
    groups = rows.groupby("group", sort=False)
    st.markdown(f"{len(rows):,} near-duplicates in {counted(groups.ngroups, 'group')}.")
    if divided := divided_groups(rows):
        st.warning(
            f"{counted(len(divided), 'group')} divided between splits, listed first: copies of "
            "training images inflate the measured accuracy."
        )
    order = (groups["split"].transform("nunique") == 1).argsort(kind="stable")
    rows = rows.assign(number=rows["group"].factorize()[0] + 1).iloc[order]
    row = photos.grid(rows, "near", describe_place)
    if row is not None:
        photos.open_large(row["path"], describe_place(row))


def show_unusual() -> None:
    """Show the images that stand out, most unusual first."""
    found = find_unusual(read_table(paths.IMAGES_CSV, IMAGES))
    if found.empty:
        st.success("None: no image stands out.")
        return
    st.markdown(f"{describe_unusual(found)}. The most unusual images are listed first.")
    row = photos.grid(found, "unusual", itemgetter("looks"))
    if row is not None:
        photos.open_large(row["path"], row["looks"])


def describe_place(row: pd.Series) -> str:
    """Return the group, the label and the split of a near-duplicate, in Markdown."""
    return f"group {row['number']}: {plain(row['label'])}, {plain(row['split'])}"
