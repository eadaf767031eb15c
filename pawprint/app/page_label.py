"""Show the Label page: photos that look alike, new images, labels to review, and all labels."""

import os
from pathlib import Path

import pandas as pd
import streamlit as st

from pawprint import paths
from pawprint.app import HERE, groups, page_run, photo_sources, photos
from pawprint.app.page_of_photos import show_pages
from pawprint.app.photos import HASHED, explain_errors, plain
from pawprint.classes import NEITHER
from pawprint.columns import LABELS_TO_REVIEW
from pawprint.errors import InputError, name_in_folder, name_some
from pawprint.files import read_json, stamps, write_json
from pawprint.images.archive import members
from pawprint.model.predictor import default_model
from pawprint.params.data import Fetch
from pawprint.projects import class_folders, label_rows, labelling
from pawprint.tables import read_table

FOLDERS = Path(".dvc/tmp/pawprint-folders.json")  # the folders of New images, as typed last
NAMES = {NEITHER: "None of them", labelling.UNDECIDED: "I do not know"}
ALL = "All"  # labels, in the Labelled tab


def show() -> None:
    """Show the ways to label as tabs, and open the first tab with photos to label."""
    parts = {
        "Unlabelled": show_unlabelled,
        "New images": show_new,
        "Labels to review": show_review,
        "Labelled": show_labelled,
    }
    has_review = paths.LABELS_TO_REVIEW_CSV.exists() and not labelling.has_unlabelled(HERE)
    first = "Labels to review" if has_review else None
    photos.show_tabs(parts, "label-part", first)


def show_new() -> None:
    """Show a form for a folder of photos and then, until the user finishes, its photos."""
    if chosen := st.session_state.get("folder"):
        st.button("Finish", "folder-finish", on_click=st.session_state.pop, args=("folder",))
        show_pages(chosen)
        return
    st.markdown(
        "Label images from another folder. Labelled images are copied. To keep them out of "
        "validation and test, run "
        "`pawprint keep-splits` before you add them, and `pawprint keep-splits --train` after "
        "`dvc repro split`."
    )
    source = Path(Fetch.load().source)
    proposed = class_folders.folder_for_training(source) or source
    default = str(proposed) if source.is_dir() else ""
    uploads = str(paths.UNLABELLED_PHOTOS) if paths.UNLABELLED_PHOTOS.is_dir() else ""
    typed = read_json(FOLDERS) if FOLDERS.exists() else [uploads, default]
    with st.form("new", border=False):
        origin = st.text_input("Folder of unlabelled images", typed[0])
        about = "A folder with a `metadata.csv` or a subfolder for each class, or a new folder."
        target = st.text_input("Folder for labelled images", typed[1], help=about)
        if not st.form_submit_button("Start", type="primary"):
            return
    if not origin or not target:
        raise InputError("Both fields are required. Fill in the empty one.")
    # `Path.expanduser` raises an error for an unknown user.
    folder, place = (os.path.expanduser(path) for path in (origin, target))  # noqa: PTH111
    version = str(sorted(stamps(Path(folder)).items()))
    chosen = photo_sources.folder_photos((folder, place), version, default_model())
    st.session_state["folder"] = chosen
    # Set the default last, because a new default clears the text field.
    write_json(FOLDERS, [origin, target])
    st.rerun()


def show_unlabelled() -> None:
    """Show pages of photos that look alike, or a button to run the stages that they need."""
    waiting = labelling.find_waiting(HERE)
    found = None
    try:
        found = photo_sources.project_photos(
            paths.RAW_ARCHIVES, paths.UNLABELLED_CSV, paths.FEATURES
        )
    except InputError:
        if not labelling.has_unlabelled(HERE):
            raise
    if waiting:
        new = f"**New photos without a label, or photos that lost it: {len(waiting):,}**"
        st.markdown(f"{new}, such as {plain(waiting[0])}.")
    if waiting or found is None:
        page_run.offer_features()
    if found and found.pool.all_images():
        show_pages(found)
    elif found and not waiting:
        explain_none()


def explain_none() -> None:
    """Say that every image has a label, and where to put unlabelled images."""
    st.success("Every image of the last run has a label.")
    source = Path(Fetch.load().source)
    if source.is_dir():
        folder = plain(str(source / paths.UNLABELLED_PHOTOS))
        st.markdown(f"Photos that you add to the folder {folder} appear here.")
    if paths.UNLABELLED_PHOTOS.is_dir():
        st.markdown(
            f"Photos from the Add photos page are in the folder {paths.UNLABELLED_PHOTOS}. Label "
            "them in the New images tab."
        )


def show_review() -> None:
    """Show the photos whose labels may be wrong, one by one."""
    rows = read_table(paths.LABELS_TO_REVIEW_CSV, LABELS_TO_REVIEW)
    rows = photos.keep_present(rows)
    if rows.empty:
        st.success("None: no label has a low probability or contradicts a near-duplicate.")
        return
    st.markdown(
        "A label is listed if the image has a near-duplicate with a different label, or if the "
        "label is unlikely according to a model that was not trained on the image. Your labels are "
        "saved in `labels.csv`."
    )
    about = {row["path"]: doubt(row) for _, row in rows.iterrows()}
    images = [*zip(rows["path"], rows["pixels_sha256"])]
    show_pages(photo_sources.SuspectPhotos(groups.Pool([], images, about=about)))


def doubt(row: pd.Series) -> str:
    """Explain why the label of an image may be wrong."""
    label = f"Labelled {row['label']} ({row['split']}), with probability {row['probability']:.1%}; "
    if row["contradicts"]:
        return f"{label}its near-duplicate {row['contradicts']} has a different label."
    return f"{label}perhaps {row['likely']}."


def show_labelled() -> None:
    """Show the photos that have a row, last row first, with their labels."""
    rows = labelled()
    if rows.empty:
        st.markdown("`labels.csv` has no rows yet. Photos that you label are listed here.")
        return
    st.markdown(
        "The rows in `labels.csv`, latest first, and in `undecided.csv`, which lists photos marked "
        "as not known. Click a photo to correct its label; the row keeps its place."
    )
    counts = rows["label"].value_counts(sort=False)
    classes = photo_sources.in_order(set(counts.index) - NAMES.keys())
    names = [ALL, *classes, *(name for name in NAMES if name in counts)]
    chosen = st.selectbox(
        "Label",
        names,
        format_func=lambda name: (
            f"{NAMES.get(name, name)} ({len(rows) if name == ALL else counts[name]:,})"
        ),
    )
    found, missing = find_present(rows if chosen == ALL else rows[rows["label"] == chosen])
    row = photos.grid(found, f"labelled-{names.index(chosen)}", describe)
    if row is not None:
        open_correction(row)
    if missing:
        st.caption(
            f"{len(missing):,} more are not among the last run's photos, or are in another "
            f"folder: {plain(name_some(missing))}"
        )


def labelled() -> pd.DataFrame:
    """Return path, label, and pixels_sha256 or "" for each row, last row first."""
    unknown = label_rows.read_rows(paths.UNDECIDED_CSV, "path")
    doubts = [row | {"label": labelling.UNDECIDED} for row in unknown]
    rows = [*doubts, *label_rows.read_rows(paths.LABELS_CSV, "path")]
    columns = ["path", "label", "pixels_sha256"]
    return pd.DataFrame(rows[::-1], columns=columns, dtype=object).fillna("")


def find_present(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows whose photo exists, with its current path, and the paths of the others.

    `listed` is the path in the row.
    """
    names, path_of = present(paths.RAW_ARCHIVES, paths.IMAGES_CSV, paths.UNLABELLED_CSV)
    pairs = zip(rows["pixels_sha256"], rows["path"])
    now = pd.Series([path_of.get(pixels, path) for pixels, path in pairs], rows.index, "str")
    is_present = now.isin(names)
    return rows.assign(path=now, listed=rows["path"])[is_present], now[~is_present].tolist()


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
    st.dialog(plain(name_in_folder(row["path"])), width="large")(show_correction)(row)


def show_correction(row: pd.Series) -> None:
    """Show a photo and a form for its label."""
    with explain_errors():
        classes, accepts_new = photo_sources.classes_here(), not photo_sources.classes_of_source()
        names = [*classes, NEITHER, labelling.UNDECIDED]
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
        with st.container(key="asked"):  # has a style in main.py
            photos.show_large(photos.photo(row["path"]), name_in_folder(row["path"]))
        st.caption(plain(row["path"]))
