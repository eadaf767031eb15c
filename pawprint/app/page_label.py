"""The page Label: photos that look alike, new images, and labels to review, by keys."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st
from PIL import Image

from pawprint import paths
from pawprint.app import groups, labelling, page_run, photos
from pawprint.app.groups import Pages, Pool
from pawprint.app.labelling import Places, image_of, read_rows
from pawprint.app.photos import explain_errors, plain, predictor
from pawprint.classes import NEITHER
from pawprint.columns import LABELS_TO_REVIEW
from pawprint.dataset.user_tables import spellings
from pawprint.errors import InputError
from pawprint.files import read_json, read_text
from pawprint.images.archive import UnusableImageError
from pawprint.images.decoder import read_again
from pawprint.params.data import Clean, Fetch
from pawprint.projects.labelled import read_labelled
from pawprint.projects.suggestion import images_in, suggest
from pawprint.tables import read_table

NUMBER = 50  # new images at a time
KEYS = 9  # classes that have a key
EXPIRED = 600  # seconds after which photos that another session shows may be shown


class Item(NamedTuple):
    """An image without a label. `save` takes a class or NEITHER, and returns its undo function."""

    name: str
    text: str  # Markdown
    read: Callable[[], Image.Image]
    save: Callable[[str], Callable[[], object]]


class Walk(NamedTuple):
    """Images in their order, and the undo function of each answer given."""

    items: list[Item]
    labels: list[str]
    advice: str  # what to do with the labels, in Markdown
    answers: list[Callable[[], object]]


def show() -> None:
    """Show the ways to label in tabs."""
    parts = {
        "New images": show_new,
        "Unlabelled": show_unlabelled,
        "Labels to review": show_review,
    }
    first = "Unlabelled" if labelling.has_unlabelled() else None
    tabs = st.tabs(list(parts), default=first, key="label-part", on_change="rerun")
    for tab, (key, part) in zip(tabs, parts.items()):
        if tab.open:
            with tab, explain_errors():
                if key in st.session_state:
                    ask(key)
                elif walk := part():
                    st.session_state[key] = walk
                    st.rerun()


def ask(key: str) -> None:
    """Show the next image of a walk, and buttons for its label."""
    walk: Walk = st.session_state[key]
    done = len(walk.answers)
    item = walk.items[done] if done < len(walk.items) else None
    left, right = st.columns([2, 1])
    with right:
        if item:
            st.markdown(item.text)
            _show_labels(key, walk, item)
        if walk.answers:
            _show_button(key, walk, "Undo", "u", partial(_undo_answer, walk))
        finish = partial(st.session_state.pop, key, None)
        st.button("Finish", f"{key}-finish", on_click=finish, width="stretch")
        st.markdown(walk.advice)
    with left, explain_errors():
        if not item:
            st.success(f"You have seen all {len(walk.items)} images.")
            return
        st.caption(f"{done + 1} of {len(walk.items)}: {plain(item.name)}")
        with st.container(key="asked"):
            photos.show_large(item.read(), photos.alt(item.name))


def _show_labels(key: str, walk: Walk, item: Item) -> None:
    for number, label in enumerate(walk.labels[:KEYS], 1):
        _show_button(key, walk, label, str(number), partial(_answer, walk, item, label))
    done = len(walk.answers)
    if others := walk.labels[KEYS:]:
        name = f"{key}-{done}-more"
        pressed = (walk, done, partial(_answer_chosen, walk, item, name))
        st.selectbox("Other classes", others, None, key=name, on_change=_press, args=pressed)
    _show_button(key, walk, "None of them", "0", partial(_answer, walk, item, NEITHER))
    _show_button(key, walk, "Skip", "space", partial(walk.answers.append, lambda: None))


def _show_button(
    key: str, walk: Walk, label: str, shortcut: str, take: Callable[[], object]
) -> None:
    done = len(walk.answers)
    name = f"{key}-{done}-{shortcut}"
    pressed = (walk, done, take)
    st.button(plain(label), name, None, _press, pressed, shortcut=shortcut, width="stretch")


def _press(walk: Walk, done: int, take: Callable[[], object]) -> None:
    # Each image has buttons of its own, so that a second press answers for no image after it.
    with explain_errors():
        if len(walk.answers) == done:
            take()


def _answer(walk: Walk, item: Item, label: str) -> None:
    walk.answers.append(item.save(label))


def _answer_chosen(walk: Walk, item: Item, key: str) -> None:
    if label := st.session_state[key]:  # none if the list of other classes is cleared
        _answer(walk, item, label)


def _undo_answer(walk: Walk) -> None:
    walk.answers.pop()()


def show_new() -> Walk | None:
    """Show a form. Returns the walk through new images when it begins."""
    st.markdown(
        f"Shows the {NUMBER} images whose labels help the model most, one by one. They are of a "
        "folder, or of a table of `pawprint predict --format csv`."
    )
    source = Path(Fetch.load().source)
    training = labelling.folder_for_training(source)
    default = str(training or source) if source.is_dir() else ""
    uploads = str(paths.UNLABELLED) if paths.UNLABELLED.is_dir() else ""
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
        # `Path.expanduser` raises an error for a user that is unknown.
        walk = walk_of_new(*(Path(os.path.expanduser(path)) for path in (origin, target)))  # noqa: PTH111
    # Only now: another default would be another field, without what was typed.
    st.session_state["given"] = origin, target
    return walk


def walk_of_new(origin: Path, target: Path) -> Walk:
    """Return a walk through the suggested images of a folder or a table, without the target's.

    Raises InputError if there are none, or the two folders overlap.
    """
    images = images_in(origin)
    resolved = target.resolve()
    if resolved.is_relative_to(origin.resolve()) or any(
        path.resolve().is_relative_to(resolved) for path in images
    ):
        raise InputError(
            f"{origin}: expected images neither in nor around the folder for labelled ones. "
            f"Received: {target} for these."
        )
    served = predictor()
    source = Path(Fetch.load().source)
    labels = served.metadata.labels
    names = {label: labelling.names_of(label) for label in labels}
    places = labelling.places_in(target, names, source)
    refused = st.session_state.setdefault("refused", set())  # images that show none of the classes
    labelled = refused.intersection(images) | labelling.find_copies(images, places)
    items = []
    for path, row in suggest(served, origin, read_labelled(Path()), NUMBER + len(labelled)):
        if path not in labelled and not row["error"]:
            label = row["label"]
            probability = row["probabilities"].get(label)  # none of unknown
            text = f"Predicted: **{plain(label)}**"
            text += f" {probability:.1%}" if probability else ""
            read = partial(read_again, path, row["path"], served.metadata.bits, photos.LARGE)
            items.append(Item(row["path"], text, read, partial(_save, places, refused, path)))
    if not items:
        raise InputError(
            f"{origin}: expected images without a label. Received: none that is "
            "not unknown, a near-duplicate or labelled already."
        )
    advice = (
        "To train with them, press Run on the page Run. `pawprint keep-splits` before you add "
        "them, and `pawprint keep-splits --train` after `dvc repro split`, keep them out of "
        "validation and test."
    )
    if not resolved.is_relative_to(source.resolve()):
        advice = f"To train with them, set `fetch.source` to {plain(str(target))}, then press Run."
    return Walk(items[:NUMBER], labels, advice, [])


def _save(places: Places, refused: set[Path], path: Path, label: str) -> Callable[[], object]:
    if label == NEITHER:
        refused.add(path)
        return partial(refused.discard, path)
    return labelling.add(places, path, label)


def show_unlabelled() -> None:
    """Show pages of photos that look alike, or the stages that they need first."""
    try:
        pool = read_pool(paths.RAW_ARCHIVES, paths.UNLABELLED_CSV, paths.FEATURES)
    except InputError:
        if not labelling.has_unlabelled():
            raise
        page_run.offer_features()
        return
    if pool.images or pool.others:
        show_pages(pool)
    else:
        st.success("None: every image of the last run has a label.")


@st.cache_resource(max_entries=1, show_spinner="Grouping the photos …", hash_funcs=photos.HASHED)
def read_pool(*files: Path) -> Pool:
    """Return the pool of the last run, which has these files. Raises InputError without one."""
    return groups.read_pool(photos.archive(), Clean.load().labels)


@st.cache_resource(show_spinner=False)
def shown() -> dict[int, tuple[float, list[groups.Image]]]:
    """Return the time in seconds and the images that each session shows since then.

    So no two sessions show the same photos.
    """
    return {}


@st.fragment
def show_pages(pool: Pool) -> None:
    """Show the page of photos. An answer draws nothing else again."""
    pages = st.session_state.setdefault("pages", Pages())
    with explain_errors():
        given = labelling.labels_given()
        cells = cells_of(pool, pages, given)
        images = [*pool.images, *pool.others]
        done = sum(path in given or pixels in given for path, pixels in images)
        st.markdown(f"**{done:,} of {len(images):,} photos have got a label**, in `labels.csv`.")
        if note := st.session_state.pop("note", ""):
            st.warning(plain(note))
        if not cells:
            st.success("There is no other photo. To train with the labels, press Run on its page.")
        folder = Path(__file__).parent
        css, js = (folder / f"grid.{kind}" for kind in ("css", "js"))
        grid = st.components.v2.component("pawprint_grid", css=read_text(css), js=read_text(js))
        classes = pool.all_classes(given)
        data = {
            "page": pages.number,
            "photos": cells,
            "classes": [*((name, name) for name in classes), (NEITHER, "None of them")],
            "none": NEITHER,
            "label": pages.label,
            "new": not pool.classes,
            "single": pages.size == 1,
            "undo": bool(pages.answers),
        }
        grid(
            key="grid",
            data=data,
            on_answer_change=partial(act, "answer", partial(give_labels, pool)),
            on_undo_change=partial(act, "undo", undo),
            on_change_change=partial(act, "change", change_size),
        )


def cells_of(pool: Pool, pages: Pages, given: dict[str, str]) -> list[dict[str, str]]:
    """Return picture and text of each photo of the page, without photos that cannot be read."""
    others = seen_by_others(id(pages))
    cells: list[dict[str, str]] = []
    while not cells:
        if not pages.images:
            pages.turn(pool, given, others)
        if not pages.images:
            break
        picture = photos.large if pages.size == 1 else photos.square
        for image in pages.images:
            try:
                cells.append({"src": picture(image[0]), "alt": photos.alt(image[0])})
            except (InputError, UnusableImageError):  # such as of a photo that was removed
                pages.missing.add(image)
        pages.images = [image for image in pages.images if image not in pages.missing]
    shown()[id(pages)] = (time.time(), pages.images)
    return cells


def seen_by_others(session: int) -> set[groups.Image]:
    """Return the images that other sessions show. Images of closed browsers are forgotten."""
    for number, (since, _) in list(shown().items()):
        if number == session or time.time() - since > EXPIRED:
            shown().pop(number, None)
    return {image for _, images in list(shown().values()) for image in images}


def act(name: str, take: Callable[[dict], None]) -> None:
    """Take an action that a person asked for on the page that is shown, once.

    A note says why it failed.
    """
    pages = st.session_state["pages"]
    asked = st.session_state["grid"].get(name)
    if not asked or asked["page"] != pages.number:
        return
    try:
        take(asked)
    except (InputError, OSError) as error:
        st.session_state["note"] = str(error)
    pages.number += 1  # also then, so that the page can be sent again


def give_labels(pool: Pool, asked: dict) -> None:
    """Write the labels of a page. Raises InputError for a label that is no class, or OSError."""
    pages = st.session_state["pages"]
    given = labelling.labels_given()
    marked = set(asked["marked"])
    images = [image for place, image in enumerate(pages.images) if place in marked]
    if not images:
        pages.answer(set(), "", lambda: None)
        return
    label = asked["label"]
    classes = pool.all_classes(given)
    if label != NEITHER:
        label = labelling.class_named(label, classes)
    if pool.classes and label not in (*classes, NEITHER):
        raise InputError(f"Class: expected one of {', '.join(classes)}. Received: {label}.")
    take_back, had_one = labelling.label_images(images, label)
    pages.answer(marked, label, take_back)
    if had_one:
        st.session_state["note"] = f"{had_one} photos have a label from elsewhere, which stays."


def undo(asked: dict) -> None:
    """Take back the last page. Raises InputError if its labels are others by now."""
    if st.session_state["pages"].answers:
        st.session_state["pages"].take_back()


def change_size(asked: dict) -> None:
    """Change between a page of photos and one photo at a time."""
    pages = st.session_state["pages"]
    pages.size = groups.PER_PAGE if pages.size == 1 else 1
    pages.images = []


def show_review() -> Walk | None:
    """Show a button. Returns the walk through labels to review when it begins."""
    rows = read_table(paths.LABELS_TO_REVIEW_CSV, LABELS_TO_REVIEW)
    rows = photos.keep_present(rows)
    if rows.empty:
        st.success("None: no label has a low probability or contradicts a near-duplicate.")
        return None
    st.markdown(
        f"{len(rows)} images have a near-duplicate with another label, or a label with a low "
        "probability by a model that was not trained on them. The labels that you choose go to "
        "`labels.csv`."
    )
    corrected = {image_of(row, "path") for row in read_rows(paths.LABELS_CSV, "path")}
    advice = "To train with the corrections, press Run on the page Run."
    corrected |= {spelling for name in corrected for spelling in spellings(name)}
    names = rows["path"].str.normalize("NFC")
    rest = rows[~(rows["pixels_sha256"].isin(corrected) | names.isin(corrected))]
    if not st.button("Start", type="primary"):
        return None
    items = [
        Item(
            row["path"],
            doubt(row),
            partial(photos.photo, row["path"]),
            partial(labelling.correct, row["path"], row["pixels_sha256"]),
        )
        for _, row in (rows if rest.empty else rest).iterrows()
    ]
    return Walk(items, [*read_json(paths.LABELS_JSON)], advice, [])


def doubt(row: pd.Series) -> str:
    """Return why the label of an image may be wrong, in Markdown."""
    label = (
        f"Labelled **{plain(row['label'])}** ({plain(row['split'])}), with probability "
        f"{row['probability']:.1%}; "
    )
    if row["contradicts"]:
        return f"{label}its near-duplicate **{plain(row['contradicts'])}** has another label."
    return f"{label}perhaps **{plain(row['likely'])}**."
