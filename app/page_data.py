"""Data: the images of each split, rejected files, near-duplicates and likely wrong labels."""

import threading

import pandas as pd
import streamlit as st

from app import files, photos
from app.messages import explained, plain
from pawprint.core import data_paths, data_tables, result_paths, result_tables
from pawprint.core.data_tables import SPLITS
from pawprint.core.labels import NEITHER
from pawprint.core.tables import write_table
from pawprint.dataset.corrections import COLUMNS, read_lines
from pawprint.dataset.layout import describe_files
from pawprint.reports.counts import count_images, divided_groups

TITLE, ICON = "Data", ":material/database:"
PER_PAGE = 10
IN_CONTROL = 6  # labels at most
WRITING = threading.Lock()  # each user's session is a thread


def show() -> None:
    parts = {
        "Counts": show_counts,
        "Rejected": show_rejected,
        "Near-duplicates": show_near_duplicates,
        "Likely wrong labels": show_likely_wrong,
    }
    tabs = st.tabs(list(parts), key="part", on_change="rerun")
    for tab, part in zip(tabs, parts.values()):
        if tab.open:
            with tab, explained():
                part()


def show_counts() -> None:
    images = files.table(data_paths.SPLIT_IMAGES, data_tables.SPLIT)
    counts = count_images(images)[list(SPLITS)]
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(images):,}")
        for split, number in counts.sum().items():
            st.metric(split.capitalize(), f"{number:,}")
    st.dataframe(counts, alt="Images per class and split")


def show_rejected() -> None:
    rows = files.table(data_paths.CLEAN_REJECTED, data_tables.REJECTED)
    if rows.empty:
        st.success("None: all files are usable.")
        return
    st.markdown(
        f"`clean` {describe_files(files.table(data_paths.CLEAN_IMAGES, data_tables.IMAGES), rows)}."
    )
    st.dataframe(rows, hide_index=True, alt="Rejected files with reason and detail")


def show_near_duplicates() -> None:
    rows = files.table(data_paths.NEAR_DUPLICATES, data_tables.NEAR_DUPLICATES)
    if rows.empty:
        st.success("None: no two images are near-duplicates.")
        return
    groups = [group for _, group in rows.groupby("group", sort=False)]
    groups.sort(key=lambda group: group["split"].nunique() == 1)
    st.markdown(f"{len(rows):,} images are near-duplicates, in {len(groups):,} groups.")
    if across := divided_groups(rows):
        st.warning(
            f"{across:,} groups lie across splits: a copy of a training image makes the "
            "measured accuracy too high. They come first."
        )
    for index, group in enumerate(groups[photos.pages(len(groups), PER_PAGE, "groups")]):
        with st.container(border=True):
            row = photos.grid(group, f"group-{index}", label_and_split)
        if row:
            photos.open_large(row.path, label_and_split(row))


def label_and_split(row) -> str:
    return f"{plain(row.label)}, {plain(row.split)}"


def show_likely_wrong() -> None:
    rows = files.table(result_paths.LIKELY_WRONG_LABELS, result_tables.LIKELY_WRONG_LABELS)
    if rows.empty:
        st.success("None: no label is likely wrong.")
        return
    st.markdown(
        "Images whose label has a low probability by a model that was not trained on them, the "
        "lowest first. Choose what each image shows; the app writes it to `labels.csv`. `none` "
        "stands for no class."
    )
    written = corrections()
    if written:
        st.info(
            f"`labels.csv` corrects {len(written)} labels. Run `dvc repro` to train with them, and "
            "commit the file."
        )
    show_all_suggestions(dict(zip(rows["path"], rows["likely"])), written)
    classes = sorted(files.table(data_paths.SPLIT_IMAGES, data_tables.SPLIT)["label"].unique())
    for row in rows[photos.pages(len(rows), PER_PAGE, "suspects")].itertuples():
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
            show_suspect(row, classes, written.get(row.path, {}).get("label"))


def show_all_suggestions(likely: dict[str, str], written: dict) -> None:
    """A button that corrects all images without a correction, and one that takes this back."""
    suggested = {path: label for path, label in likely.items() if path not in written}
    accepted = st.session_state.get("accepted", {})
    with st.container(horizontal=True):
        if suggested and st.button(f"Accept all {len(suggested)} suggestions"):
            correct(suggested)
            st.session_state["accepted"] = suggested
            st.rerun()
        if accepted and st.button(f"Take back {len(accepted)} suggestions"):
            unchanged = {path: row["label"] for path, row in written.items()}.items()
            correct(dict.fromkeys(path for path, _ in accepted.items() & unchanged))
            del st.session_state["accepted"]
            st.rerun()


def show_suspect(row, classes: list[str], corrected: str | None) -> None:
    """An image, the doubt about its label, and a choice of labels; no choice: no correction."""
    doubt = (
        f"Labelled **{plain(row.label)}** ({plain(row.split)}), with probability "
        f"{row.probability:.1%}; likely **{plain(row.likely)}**."
    )
    if photos.cell(row.path, f"suspect-{row.Index}", plain(photos.alt(row.path))):
        photos.open_large(row.path, doubt)
    with st.container(width=560):
        st.markdown(doubt)
        options = list(dict.fromkeys([*classes, NEITHER, corrected or NEITHER]))
        # The file is what counts: with another correction in it this is another widget.
        key = f"{row.path}-{corrected}"
        if len(options) > IN_CONTROL:
            # The likely label first, because that is chosen most often.
            options.sort(key=lambda option: option != row.likely)
            index = options.index(corrected) if corrected else None
            choice = st.selectbox("labels.csv", options, index, key=key)
        else:
            choice = st.segmented_control("labels.csv", options, default=corrected, key=key)
        if choice != corrected:
            correct({row.path: choice})
            st.rerun()


def corrections() -> dict[str, dict[str, str]]:
    """The rows of labels.csv by path, with the corrected label or NEITHER. Raises InputError."""
    if not data_paths.LABELS.exists():
        return {}
    return {row["path"]: row for _, row in read_lines(data_paths.LABELS)}


def correct(labels: dict[str, str | None]) -> None:
    """Write the corrections by path to labels.csv, in place of earlier ones; None removes one.

    Columns of the user's own stay.
    """
    with WRITING:
        kept = corrections()
        columns = list(next(iter(kept.values()), COLUMNS))
        for path, label in labels.items():
            before = kept.pop(path, {})
            if label is not None:
                kept[path] = dict.fromkeys(columns, "") | before | {"path": path, "label": label}
        frame = pd.DataFrame(kept.values(), columns=columns)
        write_table(data_paths.LABELS, frame, dict.fromkeys(columns, "str"))
