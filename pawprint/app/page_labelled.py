"""Show the Labelled tab of the Label page, to correct rows of labels.csv and undecided.csv."""

from pathlib import Path

import pandas as pd
import streamlit as st

from pawprint import paths
from pawprint.app import HERE, photos, pools
from pawprint.app.photos import HASHED, explain_errors, plain
from pawprint.classes import NEITHER
from pawprint.errors import name_some
from pawprint.images.archive import members
from pawprint.projects import label_rows, labelling
from pawprint.projects.labelling import UNDECIDED

NAMES = {NEITHER: "None of them", UNDECIDED: "I do not know"}
ALL = "All"
SIDE = 600  # longer side of a photo in the dialog, in pixels, so that a screen shows it whole


def show() -> None:
    """Show the photos that have a row, last row first, with their labels."""
    rows = labelled()
    if not rows:
        st.markdown("`labels.csv` has no rows yet. Photos that you label are listed here.")
        return
    st.markdown(
        "The rows in `labels.csv`, latest first, and in `undecided.csv`, which lists photos marked "
        "as not known. Click a photo to correct its label; the row keeps its place."
    )
    counts = pd.Series([row["label"] for row in rows]).value_counts(sort=False)
    classes = pools.in_order(set(counts.index) - NAMES.keys())
    names = [ALL, *classes, *(name for name in NAMES if name in counts)]
    chosen = st.selectbox(
        "Label",
        names,
        format_func=lambda name: (
            f"{NAMES.get(name, name)} ({len(rows) if name == ALL else counts[name]:,})"
        ),
    )
    rows = [row for row in rows if chosen in (ALL, row["label"])]
    found, missing = find_present(rows)
    row = photos.grid(found, f"labelled-{names.index(chosen)}", describe)
    if row is not None:
        open_correction(row)
    if missing:
        st.caption(
            f"{len(missing):,} more are not among the last run's photos, or are in another "
            f"folder: {plain(name_some(missing))}"
        )


def labelled() -> list[dict[str, str]]:
    """Return path, label, and pixels_sha256 or "" for each row, last row first."""
    rows = []
    for table in (paths.LABELS_CSV, paths.UNDECIDED_CSV):
        for row in reversed(label_rows.read_rows(table, "path")):
            label = row["label"] if table == paths.LABELS_CSV else UNDECIDED
            pixels = row.get("pixels_sha256", "")
            rows.append({"path": row["path"], "label": label, "pixels_sha256": pixels})
    return rows


def find_present(rows: list[dict[str, str]]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows whose photo exists, with its current path, and the paths of the others.

    `listed` is the path in the row.
    """
    names, path_of = present(paths.RAW_ARCHIVES, paths.IMAGES_CSV, paths.UNLABELLED_CSV)
    found, missing = [], []
    for row in rows:
        path = path_of.get(row["pixels_sha256"], row["path"])
        if path in names:
            found.append(row | {"path": path, "listed": row["path"]})
        else:
            missing.append(path)
    columns = ["path", "label", "pixels_sha256", "listed"]
    return pd.DataFrame(found, columns=columns), missing


@st.cache_data(max_entries=1, show_spinner=False, hash_funcs=HASHED)
def present(raw: Path, *tables: Path) -> tuple[set[str], dict[str, str]]:
    """Return the photos in the last run, and their paths by pixels_sha256."""
    path_of = {pixels: path for path, pixels in labelling.pixels_of(HERE).items()}
    return set(members(photos.archive())), path_of


def describe(row: pd.Series) -> str:
    """Return the label of a row, in Markdown."""
    return plain(NAMES.get(row["label"], row["label"]))


def open_correction(row: pd.Series) -> None:
    """Open a dialog with a photo, and a form for its label."""
    st.dialog(plain(photos.alt(row["path"])), width="large")(show_correction)(row)


def show_correction(row: pd.Series) -> None:
    """Show a photo and a form for its label."""
    with explain_errors():
        classes, accepts_new = classes_here()
        names = [*classes, NEITHER, UNDECIDED]
        chosen = st.selectbox(
            "Label",
            names,
            names.index(row["label"]) if row["label"] in names else None,
            accept_new_options=accepts_new,
            format_func=lambda name: NAMES.get(name, name),
        )
        with st.container(horizontal=True):
            is_saved = st.button("Save", type="primary", disabled=not chosen)
            is_removed = st.button("Remove the label")
        if is_saved or is_removed:
            label = None
            if is_saved and chosen:
                label = labelling.class_to_give(chosen, classes, accepts_new)
            labelling.correct(HERE, {(row["listed"], row["pixels_sha256"]): label})
            st.toast("Saved")
            st.rerun()
        image = photos.photo(row["path"])
        width = round(SIDE * image.width / max(image.size))  # a small photo is enlarged, too
        image.thumbnail((SIDE, SIDE))
        st.image(photos.data_uri(image), width=width, alt=photos.alt(row["path"]))
        st.caption(plain(row["path"]))


def classes_here() -> tuple[list[str], bool]:
    """Return the classes, and whether new ones are allowed. Raises InputError."""
    classes = pools.classes_of_source()
    given = {*labelling.labels_given(HERE).values()} - {NEITHER}
    return classes or pools.in_order(given), not classes
