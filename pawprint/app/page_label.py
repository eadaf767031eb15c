"""Label: new images, the most useful first, and labels to review; by keys."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from PIL import Image

from pawprint import project
from pawprint.app import labelling, photos
from pawprint.app.labelling import image_of, read_rows, write_rows
from pawprint.app.messages import explain_errors, plain
from pawprint.app.photos import predictor
from pawprint.classes import NEITHER, UNLABELLED
from pawprint.commands.suggest import images_in, read_labelled, suggest
from pawprint.dataset.user_tables import spellings
from pawprint.errors import InputError
from pawprint.files import read_json
from pawprint.images.decoder import read_again
from pawprint.params.data import Fetch
from pawprint.tables import read_table

TITLE, ICON = "Label", ":material/label:"
NUMBER = 50  # new images at a time
KEYS = 9  # classes that have a key


class Item(NamedTuple):
    """An image without a label. `save` takes a class or NEITHER, and returns what undoes it."""

    name: str
    text: str  # Markdown
    read: Callable[[], Image.Image]
    save: Callable[[str], Callable[[], object]]


class Walk(NamedTuple):
    """Images in their order, and what undoes each answer given."""

    items: list[Item]
    labels: list[str]
    then: str  # what to do with the labels, in Markdown
    answers: list[Callable[[], object]]


def show() -> None:
    parts = {
        "New images": show_new,
        "Unlabelled": show_unlabelled,
        "Labels to review": show_review,
    }
    tabs = st.tabs(list(parts), key="label-part", on_change="rerun")
    for tab, (key, part) in zip(tabs, parts.items()):
        if tab.open:
            with tab, explain_errors():
                if key in st.session_state:
                    ask(key)
                elif walk := part():
                    st.session_state[key] = walk
                    st.rerun()


def ask(key: str) -> None:
    """The next image of a walk, and buttons for its label."""
    items, labels, then, answers = st.session_state[key]
    done = len(answers)
    item = items[done] if done < len(items) else None

    # Each image has buttons of its own, so that a second press answers for no image after it.
    def press(take: Callable[[], object]) -> None:
        with explain_errors():
            if len(answers) == done:
                take()

    def button(label: str, shortcut: str, take: Callable[[], object]) -> None:
        widget = {"key": f"{key}-{done}-{shortcut}", "shortcut": shortcut, "width": "stretch"}
        st.button(plain(label), on_click=press, args=(take,), **widget)

    def answer(label: str | None) -> None:
        if label:  # none if the list of other classes is cleared
            answers.append(item.save(label))

    left, right = st.columns([2, 1])
    with right:
        if item:
            st.markdown(item.text)
            for number, label in enumerate(labels[:KEYS], 1):
                button(label, str(number), partial(answer, label))
            if labels[KEYS:]:
                more = f"{key}-{done}-more"
                take = (lambda: answer(st.session_state[more]),)
                options = {"key": more, "on_change": press, "args": take}
                st.selectbox("Other classes", labels[KEYS:], None, **options)
            button("None of them", "0", partial(answer, NEITHER))
            button("Skip", "space", partial(answers.append, lambda: None))
        if answers:
            button("Undo", "u", lambda: answers.pop()())
        finish = partial(st.session_state.pop, key, None)
        st.button("Finish", f"{key}-finish", on_click=finish, width="stretch")
        st.markdown(then)
    with left, explain_errors():
        if not item:
            st.success(f"You have seen all {len(items)} images.")
            return
        st.caption(f"{done + 1} of {len(items)}: {plain(item.name)}")
        with st.container(key="asked"):
            photos.show_large(item.read(), photos.alt(item.name))


def show_new() -> Walk | None:
    """A form; the walk when it begins."""
    st.markdown(
        f"Shows the {NUMBER} images whose labels help the model most, one by one. They are of a "
        "folder, or of a table of `pawprint predict --format csv`."
    )
    source = Path(Fetch.load().source)
    training = labelling.folder_for_training(source)
    default = str(training or source) if source.is_dir() else ""
    uploads = str(project.UNLABELLED) if project.UNLABELLED.is_dir() else ""
    origin, target = st.session_state.get("given", (uploads, default))
    with st.form("new", border=False):
        origin = st.text_input("Folder or table of images without labels", origin)
        about = "It has a `metadata.csv` or a subfolder for each class, or is new."
        target = st.text_input("Folder for labelled images", target, help=about)
        if training:
            about = f"Images in {plain(str(training))} are for training."
            st.caption(f"`fetch.source` has splits. {about}")
        if not st.form_submit_button("Start", type="primary"):
            return None
    if not origin or not target:
        raise InputError("Expected two names. Received: an empty one.")
    with st.spinner("Ranking the images …"):
        paths = Path(os.path.expanduser(origin)), Path(os.path.expanduser(target))  # noqa: PTH111
        walk = walk_of_new(*paths)
    # Only now: another default would be another field, without what was typed.
    st.session_state["given"] = origin, target
    return walk


def walk_of_new(origin: Path, target: Path) -> Walk:
    """Through the suggested images of a folder or a table that are not in the target."""
    images, other = images_in(origin), target.resolve()
    if other.is_relative_to(origin.resolve()) or any(
        path.resolve().is_relative_to(other) for path in images
    ):
        raise InputError(
            f"{origin}: expected images neither in nor around the folder for labelled ones. "
            f"Received: {target} for these."
        )
    served, source = predictor(), Path(Fetch.load().source)
    labels = served.metadata.labels
    names = {label: labelling.names_of(label) for label in labels}
    places = labelling.places_in(target, names, source)
    refused = st.session_state.setdefault("refused", set())  # images that show none of the classes

    def save(path: Path, label: str) -> Callable[[], object]:
        if label == NEITHER:
            refused.add(path)
            return partial(refused.discard, path)
        return labelling.add(places, path, label)

    labelled = refused.intersection(images) | labelling.find_copies(images, places)
    items = []
    for path, row in suggest(served, origin, read_labelled(), NUMBER + len(labelled)):
        if path not in labelled and not row["error"]:
            label = row["label"]
            probability = row["probabilities"].get(label)  # none of unknown
            text = f"Predicted: **{plain(label)}**"
            text += f" {probability:.1%}" if probability else ""
            read = partial(read_again, path, row["path"], served.metadata.bits, photos.LARGE)
            items.append(Item(row["path"], text, read, partial(save, path)))
    if not items:
        raise InputError(
            f"{origin}: expected images without a label. Received: none that is "
            "not unknown, a near-duplicate or labelled already."
        )
    then = (
        "To train with them, press Run on the page Run. `pawprint keep-splits` before you add "
        "them, and `pawprint keep-splits --train` after `dvc repro split`, keep them out of "
        "validation and test."
    )
    if not other.is_relative_to(source.resolve()):
        then = f"To train with them, set `fetch.source` to {plain(str(target))}, then press Run."
    return Walk(items[:NUMBER], labels, then, [])


def show_unlabelled() -> Walk | None:
    """A button; the walk through the project's own images without a label when it begins."""
    rejected = read_table(project.REJECTED_CSV, project.REJECTED)
    corrected = {row["path"] for row in read_rows(project.LABELS_CSV, "path")}
    paths = [
        *_images_set_aside(),
        *rejected.loc[rejected["reason"] == UNLABELLED, "path"],
    ]
    paths = [path for path in paths if path not in corrected]
    if not paths:
        st.success("None: every image of the last run has a label, or a row in `labels.csv`.")
        return None
    st.markdown(
        f"{len(paths)} images of this project have no label. The labels that you choose go to "
        "`labels.csv`."
    )
    if not st.button("Start", type="primary"):
        return None
    items = [
        Item(path, "No label yet.", partial(photos.photo, path), partial(give_label, path))
        for path in paths
    ]
    then = "To train with them, press Run on the page Run."
    return Walk(items, read_json(project.LABELS_JSON), then, [])


def _images_set_aside() -> list[str]:
    if not project.UNLABELLED_CSV.exists():  # in a run of an earlier version
        return []
    return read_table(project.UNLABELLED_CSV, project.IMAGES)["path"].tolist()


def give_label(path: str, label: str) -> Callable[[], object]:
    return write_rows(project.LABELS_CSV, "path", {path: {"path": path, "label": label}})


def show_review() -> Walk | None:
    """A button; the walk when it begins."""
    rows = read_table(project.LABELS_TO_REVIEW_CSV, project.LABELS_TO_REVIEW)
    rows = photos.at_present(rows)
    if rows.empty:
        st.success("None: no label has a low probability.")
        return None
    st.markdown(
        f"{len(rows)} images have a label with a low probability by a model that was not trained "
        "on them. The labels that you choose go to `labels.csv`."
    )
    corrected = {image_of(row, "path") for row in read_rows(project.LABELS_CSV, "path")}
    then = "To train with the corrections, press Run on the page Run."
    corrected |= {spelling for name in corrected for spelling in spellings(name)}
    paths = rows["path"].str.normalize("NFC")
    rest = rows[~(rows["pixels_sha256"].isin(corrected) | paths.isin(corrected))]
    if not st.button("Start", type="primary"):
        return None
    items = [
        Item(row.path, doubt(row), partial(photos.photo, row.path), partial(correct, row))
        for row in (rows if rest.empty else rest).itertuples()
    ]
    return Walk(items, read_json(project.LABELS_JSON), then, [])


def doubt(row) -> str:
    return (
        f"Labelled **{plain(row.label)}** ({plain(row.split)}), with probability "
        f"{row.probability:.1%}; perhaps **{plain(row.likely)}**."
    )


def correct(row, label: str) -> Callable[[], object]:
    pixels = row.pixels_sha256
    cells = {"path": row.path, "label": label, "pixels_sha256": pixels}
    return write_rows(project.LABELS_CSV, "path", {pixels: cells})
