"""Show the Label page: photos that look alike, new images, labels to review, and all labels."""

import contextlib
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st
from PIL import Image

from pawprint import paths
from pawprint.app import HERE, page_run, photos, pools
from pawprint.app.page_of_photos import show_pages
from pawprint.app.photos import HASHED, explain_errors, plain, predictor
from pawprint.classes import NEITHER
from pawprint.columns import LABELS_TO_REVIEW
from pawprint.dataset.user_tables import reviewed_images
from pawprint.errors import InputError, name_some
from pawprint.files import read_json, read_labels, write_json
from pawprint.images.archive import members
from pawprint.images.reading import read_again
from pawprint.params.data import Fetch
from pawprint.projects import class_folders, label_rows, labelling
from pawprint.projects.label_rows import take_back
from pawprint.projects.suggestion import images_in, read_labelled, suggest
from pawprint.tables import read_table

NUMBER = 50  # number of new images shown at a time
FOLDERS = Path(".dvc/tmp/pawprint-folders.json")  # the folders of New images, as typed last
KEYS = 9  # classes that have a key
DOUBT = "d"  # Streamlit accepts only letters and digits, so the key is not UNDECIDED
NAMES = {NEITHER: "None of them", labelling.UNDECIDED: "I do not know"}
ALL = "All"  # labels, in the Labelled tab


class Item(NamedTuple):
    """An image to label. `save` takes a class, NEITHER or UNDECIDED, and returns its undo."""

    name: str
    text: str  # Markdown
    read: Callable[[], Image.Image]
    save: Callable[[str], Callable[[], object]]


class Walk(NamedTuple):
    """A sequence of images, and a function that undoes each answer."""

    items: list[Item]
    labels: list[str]
    advice: str  # what to do with the labels, in Markdown
    answers: list[Callable[[], object]]


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
    tabs = st.tabs(list(parts), default=first, key="label-part", on_change="rerun")
    for tab, (key, part) in zip(tabs, parts.items()):
        if tab.open:
            with tab, explain_errors():
                if isinstance(st.session_state.get(key), Walk):
                    ask(key)
                elif walk := part():
                    st.session_state[key] = walk
                    st.rerun()


def show_new() -> Walk | None:
    """Show a form, or pages of a folder's photos. Return the walk through images once it begins."""
    if folder := st.session_state.get("folder"):
        st.button("Finish", "folder-finish", on_click=st.session_state.pop, args=("folder",))
        show_pages(pools.open_folder(*folder))
        return None
    st.markdown(
        "Label images from another folder, or from the output of `pawprint predict --format csv` "
        "or `jsonl`. Labelled images are copied."
    )
    source = Path(Fetch.load().source)
    training = class_folders.folder_for_training(source)
    default = str(training or source) if source.is_dir() else ""
    uploads = str(paths.UNLABELLED_PHOTOS) if paths.UNLABELLED_PHOTOS.is_dir() else ""
    origin, target = st.session_state.get("given") or last_folders() or (uploads, default)
    ways = (f"The {NUMBER} that help the model most, one by one", "All, page by page")
    with st.form("new", border=False):
        origin = st.text_input("Folder or table of unlabelled images", origin)
        about = "A folder with a `metadata.csv` or a subfolder for each class, or a new folder."
        target = st.text_input("Folder for labelled images", target, help=about)
        if training:
            about = f"Images in {plain(str(training))} are for training."
            st.caption(f"`fetch.source` has splits. {about}")
        way = st.radio("Images", ways)
        if not st.form_submit_button("Start", type="primary"):
            return None
    if not origin or not target:
        raise InputError("Both fields are required. Fill in the empty one.")
    # `Path.expanduser` raises an error for an unknown user.
    folder, place = (os.path.expanduser(path) for path in (origin, target))  # noqa: PTH111
    walk = None
    if way == ways[0]:
        with st.spinner("Ranking the images …"):
            walk = walk_of_new(Path(folder), Path(place))
    else:
        chosen = ((folder, place), pools.version_of(Path(folder)))
        pools.open_folder(*chosen)  # raises InputError here, next to the form
        st.session_state["folder"] = chosen
    # Set the default last, because a new default clears the text field.
    st.session_state["given"] = origin, target
    with contextlib.suppress(OSError):  # then the folders are typed again after a reload
        write_json(FOLDERS, [origin, target])
    if walk is None:
        st.rerun()
    return walk


def last_folders() -> list[str]:
    """Return the folder of images and the folder for labelled ones, or [] if none are known."""
    with contextlib.suppress(InputError):
        folders = read_labels(FOLDERS)
        if len(folders) == 2:
            return folders
    return []


def walk_of_new(origin: Path, target: Path) -> Walk:
    """Return a walk through the images suggested from a folder or table, without the target's.

    Raises InputError if there are none, or the two folders overlap.
    """
    images = images_in(origin)
    class_folders.require_apart(origin, target, images)
    served = predictor()
    source = Path(Fetch.load().source)
    labels = pools.in_order(served.metadata.labels)
    places = class_folders.places_of_classes(HERE, target, labels)
    # This list contains images that show none of the classes.
    refused = st.session_state.setdefault("refused", set())
    labelled = refused.intersection(images) | class_folders.find_copies(images, places)
    unknown = labelling.undecided(HERE)
    doubted = {path for path in images if str(path.absolute()) in unknown} - labelled
    number = NUMBER + len(labelled) + len(doubted)
    rows = suggest(served, origin, read_labelled(HERE), number)
    new = [(path, row) for path, row in rows if path not in labelled and not row["error"]]
    new.sort(key=lambda pair: pair[0] in doubted)
    items = []
    for path, row in new[:NUMBER]:
        label = row["label"]
        probability = row["probabilities"].get(label)  # unknown has no probability
        text = f"Predicted: **{plain(label)}**"
        text += f" {probability:.1%}" if probability else ""
        read = partial(read_again, path, row["path"], served.metadata.bits, photos.LARGE)
        items.append(Item(row["path"], text, read, partial(_save, places, refused, path)))
    if not items:
        raise InputError(
            f"{origin}: all images are unknown, near-duplicates or already labelled. Choose other "
            "images."
        )
    advice = (
        "To train with them, press Run on the Run page. To keep them out of validation and test, "
        "run `pawprint keep-splits` before you add them, and `pawprint keep-splits --train` after "
        "`dvc repro split`."
    )
    if not target.resolve().is_relative_to(source.resolve()):
        advice = f"To train with them, set `fetch.source` to {plain(str(target))}, then press Run."
    return Walk(items, labels, advice, [])


def _save(
    places: class_folders.Places, refused: set[Path], path: Path, label: str
) -> Callable[[], object]:
    image = str(path.absolute())
    if label == labelling.UNDECIDED:
        return partial(take_back, HERE, labelling.label_images(HERE, [(image, "")], label)[0])
    if label == NEITHER:
        refused.add(path)
        undo: Callable[[], object] = partial(refused.discard, path)
    else:
        undo = class_folders.add(HERE, places, path, label)
    return partial(take_back, HERE, [undo, *labelling.decide(HERE, [image])])


def show_unlabelled() -> None:
    """Show pages of photos that look alike, or a button to run the stages that they need."""
    waiting = labelling.find_waiting(HERE)
    found = None
    try:
        files = (paths.RAW_ARCHIVES, paths.UNLABELLED_CSV, paths.FEATURES)
        found = pools.project_photos(*files)
    except InputError:
        if not labelling.has_unlabelled(HERE):
            raise
    has_photos = bool(found and (found.pool.images or found.pool.others))
    if waiting:
        came = "added without a label"
        if paths.UNLABELLED_CSV.exists():
            came = "added without a label, or lost the label, since the last run"
        have = "1 photo was" if len(waiting) == 1 else f"{len(waiting):,} photos were"
        st.markdown(f"**{have} {came}**, such as {plain(waiting[0])}.")
    if waiting or found is None:
        page_run.offer_features()
    if found and has_photos:
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


def show_review() -> Walk | None:
    """Show a button. Return the walk through labels to review once it begins."""
    rows = read_table(paths.LABELS_TO_REVIEW_CSV, LABELS_TO_REVIEW)
    rows = photos.keep_present(rows)
    if rows.empty:
        st.success("None: no label has a low probability or contradicts a near-duplicate.")
        return None
    reviewed = reviewed_images(paths.LABELS_CSV)
    unknown = labelling.undecided(HERE)
    left = rows[~is_among(rows, reviewed)]
    is_doubted = is_among(left, unknown)
    left = pd.concat([left[~is_doubted], left[is_doubted]])
    st.markdown(
        f"{describe_left(len(rows), len(left), int(is_doubted.sum()))} A label is "
        "listed if the image has a near-duplicate with a different label, or if the label is "
        "unlikely according to a model that was not trained on the image. Your labels are saved in "
        "`labels.csv`."
    )
    advice = "To train with the corrections, press Run on the Run page."
    if not st.button("Start again" if left.empty else "Start", type="primary"):
        return None
    items = [
        Item(
            row["path"],
            doubt(row),
            partial(photos.photo, row["path"]),
            partial(correct, row["path"], row["pixels_sha256"]),
        )
        for _, row in (rows if left.empty else left).iterrows()
    ]
    return Walk(items, pools.in_order(read_json(paths.LABELS_JSON)), advice, [])


def is_among(rows: pd.DataFrame, keys: Iterable[str]) -> "pd.Series[bool]":
    """Return for each row whether its path or pixels_sha256 is one of the keys."""
    keys = {*keys}
    return rows["pixels_sha256"].isin(keys) | rows["path"].str.normalize("NFC").isin(keys)


def describe_left(number: int, left: int, doubted: int) -> str:
    """Return how many of the labels to review are left, and how many of these are doubted."""
    labels = "1 label" if number == 1 else f"{number:,} labels"
    if not left:
        return f"You have reviewed {'it' if number == 1 else 'all'}: {labels}."
    text = f"To review: {labels}"
    if left < number:
        text = f"{left:,} of {labels} {'is' if left == 1 else 'are'} left"
    return text + (f" (marked as not known: {doubted:,})." if doubted else ".")


def correct(path: str, pixels_sha256: str, label: str) -> Callable[[], object]:
    """Correct a label like `labelling.correct`, and return its undo."""
    return partial(take_back, HERE, labelling.correct(HERE, {(path, pixels_sha256): label}))


def doubt(row: pd.Series) -> str:
    """Explain why the label of an image may be wrong, in Markdown."""
    label = (
        f"Labelled **{plain(row['label'])}** ({plain(row['split'])}), with probability "
        f"{row['probability']:.1%}; "
    )
    if row["contradicts"]:
        return f"{label}its near-duplicate **{plain(row['contradicts'])}** has a different label."
    return f"{label}perhaps **{plain(row['likely'])}**."


def ask(key: str) -> None:
    """Show the next image of a walk with buttons for its label."""
    walk: Walk = st.session_state[key]
    done = len(walk.answers)
    item = walk.items[done] if done < len(walk.items) else None
    left, right = st.columns([2, 1])
    with right:
        if item:
            _show_labels(key, walk, item)
        if walk.answers:
            _show_button(key, walk, "Undo", "u", partial(_undo_answer, walk))
        finish = partial(st.session_state.pop, key, None)
        st.button("Finish", f"{key}-finish", on_click=finish, width="stretch")
        st.markdown(walk.advice)
    with left, explain_errors():
        if not item:
            st.success(f"You have seen all images: {len(walk.items)}.")
            return
        st.caption(f"{done + 1} of {len(walk.items)}: {plain(item.name)}")
        st.markdown(item.text)  # here, because a second line would move the buttons
        show_whole(item.read(), item.name)


def show_whole(image: Image.Image, name: str) -> None:
    """Show an image as large as fits into the window."""
    with st.container(key="asked"):  # has a style in main.py
        photos.show_large(image, photos.alt(name))


def _show_labels(key: str, walk: Walk, item: Item) -> None:
    for number, label in enumerate(walk.labels[:KEYS], 1):
        _show_button(key, walk, label, str(number), partial(_answer, walk, item, label))
    done = len(walk.answers)
    if others := walk.labels[KEYS:]:
        name = f"{key}-{done}-more"
        pressed = (walk, done, partial(_answer_chosen, walk, item, name))
        st.selectbox("Other classes", others, None, key=name, on_change=_press, args=pressed)
    for label, shortcut in ((NEITHER, "0"), (labelling.UNDECIDED, DOUBT)):
        _show_button(key, walk, NAMES[label], shortcut, partial(_answer, walk, item, label))
    _show_button(key, walk, "Skip", "space", partial(walk.answers.append, lambda: None))
    st.caption(
        "Skip leaves the image unchanged, so it is asked for again. Images that you do not know "
        "are listed in undecided.csv and come last."
    )


def _show_button(
    key: str, walk: Walk, label: str, shortcut: str, take: Callable[[], object]
) -> None:
    done = len(walk.answers)
    name = f"{key}-{done}-{shortcut}"
    pressed = (walk, done, take)
    st.button(plain(label), name, None, _press, pressed, shortcut=shortcut, width="stretch")


def _press(walk: Walk, done: int, take: Callable[[], object]) -> None:
    # Each image has its own buttons, so that pressing twice does not answer for the next image.
    with explain_errors():
        if len(walk.answers) == done:
            take()


def _answer(walk: Walk, item: Item, label: str) -> None:
    walk.answers.append(item.save(label))


def _answer_chosen(walk: Walk, item: Item, key: str) -> None:
    if label := st.session_state[key]:  # None if the selection is cleared
        _answer(walk, item, label)


def _undo_answer(walk: Walk) -> None:
    walk.answers.pop()()


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
    classes = pools.in_order(set(counts.index) - NAMES.keys())
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
    given, unknown = (
        reversed(label_rows.read_rows(table, "path"))
        for table in (paths.LABELS_CSV, paths.UNDECIDED_CSV)
    )
    rows = [*given, *(row | {"label": labelling.UNDECIDED} for row in unknown)]
    cells = [(row["path"], row["label"], row.get("pixels_sha256", "")) for row in rows]
    return pd.DataFrame(cells, columns=["path", "label", "pixels_sha256"])


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
    st.dialog(plain(photos.alt(row["path"])), width="large")(show_correction)(row)


def show_correction(row: pd.Series) -> None:
    """Show a photo and a form for its label."""
    with explain_errors():
        classes, accepts_new = pools.classes_here(), not pools.classes_of_source()
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
        show_whole(photos.photo(row["path"]), row["path"])
        st.caption(plain(row["path"]))
