"""Data: the images of each split, rejected files, near-duplicates and likely wrong labels."""

import pandas as pd
import streamlit as st

from app import charts, files, photos
from app.messages import explained, literal
from pawprint.core import paths, tables
from pawprint.core.tables import write_table
from pawprint.dataset.corrections import NEITHER, read_lines

TITLE, ICON = "Data", ":material/database:"
SPLITS = ("train", "validation", "test")
CORRECTIONS = {"path": "str", "label": "str"}
PER_PAGE = 10


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
    images = files.table(paths.SPLIT_IMAGES, tables.SPLIT)
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(images):,}")
        for split in SPLITS:
            st.metric(split.capitalize(), f"{(images['split'] == split).sum():,}")
    counts = images.value_counts(["split", "label"], sort=False)
    charts.counts(counts.reset_index(name="images"))


def show_rejected() -> None:
    rows = files.table(paths.CLEAN_REJECTED, tables.REJECTED)
    if rows.empty:
        kept = files.record(paths.CLEAN_METRICS, "kept")["total"]
        st.success(f"None: all {kept:,} files are usable.", icon=":material/check:")
        return
    rows["reason"] = rows["reason"].str.replace("_", " ")
    reasons = rows["reason"].value_counts()
    st.markdown(
        f"{len(rows):,} files were rejected: "
        + ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
        + "."
    )
    st.dataframe(rows, hide_index=True, alt="Rejected files with reason and detail")
    st.header("Rejected images", anchor=False)
    with st.spinner("Reading the rejected files …"):
        pictures = rows[rows["path"].map(photos.can_be_shown)]
    if pictures.empty:
        st.markdown("None of the rejected files holds a whole image.")
    row = photos.grid(pictures, "rejected", lambda row: (literal(row.reason), None))
    if row:
        photos.open_large(row.path, literal(f"{row.reason}: {row.detail}"))


def show_near_duplicates() -> None:
    rows = files.table(paths.NEAR_DUPLICATES, tables.NEAR_DUPLICATES)
    if rows.empty:
        st.success("None: no two images are near-duplicates.", icon=":material/check:")
        return
    # Groups across splits first, the others in the order of the table.
    rows["across"] = rows.groupby("group")["split"].transform("nunique") > 1
    rows = rows.sort_values("across", ascending=False, kind="stable")
    groups = [group for _, group in rows.groupby("group", sort=False)]
    across = sum(group["across"].any() for group in groups)
    st.markdown(
        f"{len(rows):,} images are near-duplicates, in {len(groups):,} groups. "
        + (
            f"**{across:,} groups lie across splits**: a copy of a training image makes the "
            "measured accuracy too high. They come first."
            if across
            else "No group lies across splits."
        )
    )
    page = photos.pages(len(groups), PER_PAGE, "groups")
    for index, group in enumerate(groups[page]):
        with st.container(border=True):
            row = photos.grid(group, f"group-{index}", label_and_split)
        if row:
            photos.open_large(row.path, label_and_split(row)[0])


def label_and_split(row) -> tuple[str, None]:
    return f"{literal(row.label)}, {literal(row.split)}", None


def show_likely_wrong() -> None:
    rows = files.table(paths.LIKELY_WRONG_LABELS, tables.LIKELY_WRONG_LABELS)
    if rows.empty:
        st.success("None: no label is likely wrong.", icon=":material/check:")
        return
    st.markdown(
        "Images whose label has a low probability by a model that was not trained on them, the "
        "lowest first. Choose what each image shows; the app writes it to `labels.csv`."
    )
    written = corrections()
    if written:
        st.info(
            f"`labels.csv` corrects {len(written)} labels. Run `dvc repro` to train with them, and "
            "commit the file.",
            icon=":material/edit_note:",
        )
    classes = sorted({*rows["label"], *rows["likely"]})
    page = photos.pages(len(rows), PER_PAGE, "suspects")
    for index, row in enumerate(rows[page].itertuples()):
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
            show_suspect(row, f"suspect-{index}", classes, written.get(row.path))


def show_suspect(row, key: str, classes: list[str], corrected: str | None) -> None:
    """An image, the doubt about its label, and buttons to correct it."""
    doubt = (
        f"Labelled **{literal(row.label)}** ({literal(row.split)}), with probability "
        f"{row.probability:.1%}; likely **{literal(row.likely)}**."
    )
    if photos.cell(row.path, key, literal(photos.alt(row.path))):
        photos.open_large(row.path, doubt)
    with st.container(width=560):
        st.markdown(doubt)
        with st.container(horizontal=True):
            for label in (*classes, NEITHER):
                kind = "primary" if label == corrected else "secondary"
                words = "Neither" if label == NEITHER else f"It is {literal(label)}"
                if st.button(words, type=kind, key=f"{key}-{label}"):
                    correct(row.path, label)
                    st.rerun()
            if corrected and st.button("Undo", type="tertiary", key=f"{key}-undo"):
                correct(row.path, None)
                st.rerun()
        if corrected:
            st.caption(f"`labels.csv` says {literal(corrected)}. Run `dvc repro` to train with it.")


def corrections() -> dict[str, str]:
    """The corrected label, or NEITHER, by path in the archive. Raises InputError."""
    if not paths.LABELS.exists():
        return {}
    return {path: label for _, (path, label) in read_lines(paths.LABELS)}


def correct(path: str, label: str | None) -> None:
    """Write the correction of a path to labels.csv, in place of an earlier one; None removes it."""
    kept = {name: each for name, each in corrections().items() if name != path}
    if label is not None:
        kept[path] = label
    frame = pd.DataFrame(kept.items(), columns=list(CORRECTIONS))
    write_table(paths.LABELS, frame, CORRECTIONS)
