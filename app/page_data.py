"""Data: what is in the splits, what was left out and why, and what may be wrong."""

from collections import Counter
from itertools import groupby
from operator import itemgetter

import streamlit as st

from app import charts, files, photos
from app.corrections import correct, corrections
from app.large import open_large
from app.messages import explained, literal
from pawprint.core import paths
from pawprint.dataset.corrections import NEITHER

TITLE, ICON = "Data", ":material/database:"
SPLITS = ("train", "validation", "test")
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
    images = files.table(paths.SPLIT_IMAGES, label=str, split=str)
    number = Counter((row["split"], row["label"]) for row in images)
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(images):,}")
        for split in SPLITS:
            total = sum(count for (of, _), count in number.items() if of == split)
            st.metric(split.capitalize(), f"{total:,}")
    charts.counts(
        [
            {"split": split, "label": label, "images": count}
            for (split, label), count in sorted(number.items())
        ]
    )


def show_rejected() -> None:
    counts = files.record(paths.CLEAN_METRICS, "rejected")
    rows = files.table(paths.CLEAN_REJECTED, path=str, reason=str, detail=str)
    if not rows:
        kept = files.record(paths.CLEAN_METRICS, "kept")["total"]
        st.success(f"Nothing: all {kept:,} files are usable.", icon=":material/check:")
        return
    reasons = {reason: counts[reason] for reason in counts if reason != "total" and counts[reason]}
    st.markdown(
        f"{counts['total']:,} files were left out: "
        + ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons.items())
        + "."
    )
    st.dataframe(rows, hide_index=True, alt="Rejected files with reason and detail")
    st.header("Those that can be shown", anchor=False)
    with st.spinner("Opening them …"):
        pictures = [row for row in rows if photos.can_be_shown(row["path"])]
    if not pictures:
        st.markdown("None: what was left out are no whole pictures.")
    row = photos.grid(
        pictures, "rejected", lambda row: (literal(row["reason"].replace("_", " ")), None)
    )
    if row:
        open_large(row["path"], literal(f"{row['reason'].replace('_', ' ')}: {row['detail']}"))


def show_near_duplicates() -> None:
    rows = files.table(paths.NEAR_DUPLICATES, group=str, path=str, label=str, split=str)
    if not rows:
        st.success("None: no two images are nearly the same.", icon=":material/check:")
        return
    groups = [list(group) for _, group in groupby(rows, key=itemgetter("group"))]
    groups.sort(key=lambda group: not lies_across(group))
    across = sum(map(lies_across, groups))
    st.markdown(
        f"{len(rows):,} images in {len(groups):,} groups that are nearly the same. "
        + (
            f"**{across:,} groups lie across splits**, where a model is measured on what it has "
            "seen; they come first."
            if across
            else "No group lies across splits."
        )
    )
    page = photos.pages(len(groups), PER_PAGE, "groups")
    for index, group in enumerate(groups[page]):
        with st.container(border=True):
            row = photos.grid(group, f"group-{index}", label_and_split)
        if row:
            open_large(row["path"], label_and_split(row)[0])


def lies_across(group: list[dict]) -> bool:
    return len({row["split"] for row in group}) > 1


def label_and_split(row: dict) -> tuple[str, None]:
    return f"{literal(row['label'])}, {literal(row['split'])}", None


def show_likely_wrong() -> None:
    rows = files.table(
        paths.LIKELY_WRONG_LABELS, path=str, label=str, likely=str, split=str, probability=float
    )
    if not rows:
        st.success("None: every label is as expected.", icon=":material/check:")
        return
    st.markdown(
        "Images whose label a model that was not trained on them finds improbable, the most "
        "suspicious first. Look, and say what each shows: it is written to `labels.csv`."
    )
    written = corrections()
    if written:
        st.info(
            f"`labels.csv` holds {len(written)} labels. Run `dvc repro` to train with them, and "
            "commit the file.",
            icon=":material/edit_note:",
        )
    classes = sorted({row["label"] for row in rows} | {row["likely"] for row in rows})
    page = photos.pages(len(rows), PER_PAGE, "suspects")
    for index, row in enumerate(rows[page]):
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
            show_suspect(row, f"suspect-{index}", classes, written.get(row["path"]))


def show_suspect(row: dict, key: str, classes: list[str], said: str | None) -> None:
    """An image, what is doubtful about it, and buttons that say what it shows."""
    path = row["path"]
    doubt = (
        f"Labelled **{literal(row['label'])}** ({literal(row['split'])}), which has probability "
        f"{row['probability']:.1%}; likely **{literal(row['likely'])}**."
    )
    if photos.cell(path, key, literal(photos.alt(path))):
        open_large(path, doubt)
    with st.container(width=560):
        st.markdown(doubt)
        with st.container(horizontal=True):
            for label in (*classes, NEITHER):
                kind = "primary" if label == said else "secondary"
                words = "Neither" if label == NEITHER else f"It is {literal(label)}"
                if st.button(words, type=kind, key=f"{key}-{label}"):
                    correct(path, label)
                    st.rerun()
            if said and st.button("Undo", type="tertiary", key=f"{key}-undo"):
                correct(path, None)
                st.rerun()
        if said:
            st.caption(f"`labels.csv` now says {literal(said)}. `dvc repro` trains with it.")
