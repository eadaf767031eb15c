"""Show the Label page: photos that look alike, new images, and labels to review."""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Container, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pandas as pd
import streamlit as st
from PIL import Image

from pawprint import paths
from pawprint.app import groups, labelling, page_labelled, page_run, photos, pools, undo_log
from pawprint.app.groups import Pages
from pawprint.app.labelling import Places
from pawprint.app.photos import explain_errors, plain, predictor
from pawprint.app.pools import Photos
from pawprint.app.undo_log import Change
from pawprint.classes import NEITHER
from pawprint.columns import LABELS_TO_REVIEW
from pawprint.dataset.user_tables import reviewed_images
from pawprint.errors import InputError
from pawprint.files import read_json, read_text
from pawprint.images.archive import UnusableImageError
from pawprint.images.decoder import read_again
from pawprint.params.data import Fetch
from pawprint.projects.labelled import read_labelled
from pawprint.projects.suggestion import images_in, suggest
from pawprint.tables import read_table

NUMBER = 50  # number of new images shown at a time
KEYS = 9  # classes that have a key
COOKIE = "pawprint"  # contains the name of the browser
EXPIRED = 600  # seconds after which photos in an open but idle browser are offered again


class Item(NamedTuple):
    """An unlabelled image. `save` takes a class or NEITHER and returns a function to undo it."""

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
        "Labelled": page_labelled.show,
    }
    has_review = paths.LABELS_TO_REVIEW_CSV.exists() and not labelling.has_unlabelled()
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
            st.success(f"You have seen all {len(walk.items)} images.")
            return
        st.caption(f"{done + 1} of {len(walk.items)}: {plain(item.name)}")
        st.markdown(item.text)  # here, because a second line would move the buttons
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
    st.caption("Skip leaves the image unchanged.")


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
    training = labelling.folder_for_training(source)
    default = str(training or source) if source.is_dir() else ""
    uploads = str(paths.UNLABELLED) if paths.UNLABELLED.is_dir() else ""
    origin, target = st.session_state.get("given", (uploads, default))
    ways = (f"The {NUMBER} that help the model most, one by one", "All, by pages")
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
    if walk is None:
        st.rerun()
    return walk


def walk_of_new(origin: Path, target: Path) -> Walk:
    """Return a walk through the images suggested from a folder or table, without the target's.

    Raises InputError if there are none, or the two folders overlap.
    """
    images = images_in(origin)
    labelling.require_apart(origin, target, images)
    served = predictor()
    source = Path(Fetch.load().source)
    labels = pools.in_order(served.metadata.labels)
    names = {label: labelling.names_of(label) for label in labels}
    places = labelling.places_in(target, names, source)
    # This list contains images that show none of the classes.
    refused = st.session_state.setdefault("refused", set())
    labelled = refused.intersection(images) | labelling.find_copies(images, places)
    items = []
    for path, row in suggest(served, origin, read_labelled(Path()), NUMBER + len(labelled)):
        if path not in labelled and not row["error"]:
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
    return Walk(items[:NUMBER], labels, advice, [])


def _save(places: Places, refused: set[Path], path: Path, label: str) -> Callable[[], object]:
    if label == NEITHER:
        refused.add(path)
        return partial(refused.discard, path)
    return labelling.add(places, path, label)


def show_unlabelled() -> None:
    """Show pages of photos that look alike, or a button to run the stages that they need."""
    waiting = labelling.find_waiting()
    found = None
    try:
        files = (paths.RAW_ARCHIVES, paths.UNLABELLED_CSV, paths.FEATURES)
        found = pools.project_photos(*files)
    except InputError:
        if not labelling.has_unlabelled():
            raise
    has_photos = bool(found and (found.pool.images or found.pool.others))
    if waiting:
        came = "added without a label"
        if paths.UNLABELLED_CSV.exists():
            came = "added without a label, or lost it, since the last run"
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
        folder = plain(str(source / paths.UNLABELLED))
        st.markdown(f"Photos that you add to the folder {folder} appear here.")
    if paths.UNLABELLED.is_dir():
        st.markdown(
            f"Photos from the Add photos page are in the folder {paths.UNLABELLED}. Label "
            "them in the New images tab."
        )


class Visible(NamedTuple):
    """The images on the page of a browser, and since when, in seconds."""

    browser: str
    since: float
    images: list[groups.Image]


class Session:
    """A session, which shows pages until its browser is closed."""

    def __init__(self, shown: dict[int, Visible]) -> None:
        self.shown = shown  # by all sessions
        self.pages: set[int] = set()  # of this one

    def end(self) -> None:
        """Offer the images of this session to others."""
        for number in self.pages:
            self.shown.pop(number, None)


@st.cache_resource(show_spinner=False)
def shown() -> dict[int, Visible]:
    """Return the images that each session shows, so that no browser shows those of another."""
    return {}


@st.cache_resource(scope="session", on_release=Session.end, show_spinner=False)
def session() -> Session:
    """Return the session, which ends as soon as the browser disconnects."""
    return Session(shown())


def browser() -> str:
    """Return the name of the browser, which is stored in a cookie."""
    return st.session_state.setdefault("browser", st.context.cookies.get(COOKIE) or uuid4().hex)


def pages_of(source: Photos) -> Pages:
    """Return the pages of this session, starting with the browser's earlier answers."""
    key = f"pages-{source.name}"
    if key not in st.session_state:
        st.session_state[key] = Pages()
        undo_log.restore(st.session_state[key], (browser(), source.name))
    return st.session_state[key]


@st.fragment
def show_pages(source: Photos) -> None:
    """Show the current page of photos. An answer redraws only this page."""
    with explain_errors():
        pages = pages_of(source)
        given = source.given()
        unknown = labelling.undecided()
        cells = cells_of(source, pages, given, unknown)
        hide_from_others(pages)
        if note := st.session_state.pop("note", ""):
            st.warning(plain(note))
        if not cells or pages.are_last:
            st.success(f"{describe_end(source, pages, unknown)} {source.advice}")
        folder = Path(__file__).parent
        css, js = (folder / f"grid.{kind}" for kind in ("css", "js"))
        grid = st.components.v2.component("pawprint_grid", css=read_text(css), js=read_text(js))
        data = {
            "page": pages.number,
            "done": describe_progress(source, pages.missing, given, unknown),
            "photos": cells,
            "sure": pages.sure,
            "classes": source.classes(),
            "label": pages.label,
            "new": source.accepts_new,
            "single": pages.size == 1,
            "undecided": pages.are_last,
            "undo": bool(pages.answers),
            "large": large_of(source, pages),
            "cookie": f"{COOKIE}={browser()}",
        }
        grid(
            key=f"grid-{source.name}",
            data=data,
            on_answer_change=partial(act, source, "answer", give_labels),
            on_undo_change=partial(act, source, "undo", undo),
            on_change_change=partial(act, source, "change", change_size),
            on_large_change=partial(enlarge, source),
        )


def describe_end(source: Photos, pages: Pages, unknown: Container[str]) -> str:
    """Return why the pages end: all photos have a label, except those that cannot get one."""
    if doubted := count_in(unknown, photos_of(source)):
        images = "1 photo" if doubted == 1 else f"{doubted:,} photos"
        ask = " Label those that you know now, or stop here." if pages.images else ""
        return f"Done, except for {images} marked as not known.{ask}"
    if pages.missing:
        return f"Only unreadable photos are left: {len(pages.missing):,}."
    return "All photos have a label."


def describe_progress(
    source: Photos,
    missing: Collection[groups.Image],
    given: Container[str],
    unknown: Container[str],
) -> str:
    """Return the number of photos that are left, that are `given` a label, and that are `unknown`.

    Photos that are `missing` cannot be read, and do not count.
    """
    images = [image for image in photos_of(source) if image not in missing]
    done = count_in(given, images)
    left = len(images) - done
    text = "1 photo is left" if left == 1 else f"{left:,} photos are left"
    if doubted := count_in(unknown, photos_of(source)):
        text += f" (marked as not known: {doubted:,})"
    return f"{text}; {done:,} got a label." if done else f"{text}."


def photos_of(source: Photos) -> list[groups.Image]:
    """Return all photos of a source, with and without a label."""
    return [*source.pool.images, *source.pool.others]


def count_in(keys: Container[str], images: Iterable[groups.Image]) -> int:
    """Return how many images are in a table with these keys: paths, or pixels_sha256."""
    return sum(path in keys or pixels in keys for path, pixels in images)


def cells_of(
    source: Photos, pages: Pages, given: dict[str, str], unknown: Collection[str]
) -> list[dict[str, str]]:
    """Return the picture and text of each photo on the page, without unreadable photos.

    `given` contains the labels so far, and `unknown` the keys of undecided images.
    """
    others = seen_by_others()
    cells: list[dict[str, str]] = []
    while not cells:
        if not pages.images:
            pages.turn(source.pool, given, others, unknown)
        if not pages.images:
            break
        sure = pages.sure
        for place, image in enumerate([*pages.images]):
            try:
                picture = source.picture(image[0], is_large=pages.size == 1)
                cells.append({"src": picture, "alt": photos.alt(image[0])})
            except (InputError, UnusableImageError):  # for example, the photo was removed
                pages.missing.add(image)
                pages.sure -= place < sure
        pages.images = [image for image in pages.images if image not in pages.missing]
        if sure and not pages.sure:  # all marked photos are gone, so the page would ask nothing
            cells = []
            pages.images = []
    return cells


def hide_from_others(pages: Pages) -> None:
    """Remember the images of a page until its browser is closed."""
    session().pages.add(id(pages))
    shown()[id(pages)] = Visible(browser(), time.time(), pages.images)


def seen_by_others() -> set[groups.Image]:
    """Return the images shown in other browsers. Those of idle browsers are forgotten.

    A new session of the same browser takes over its images.
    """
    for number, visible in list(shown().items()):
        if time.time() - visible.since > EXPIRED:
            shown().pop(number, None)
    others = [visible for visible in list(shown().values()) if visible.browser != browser()]
    return {image for visible in others for image in visible.images}


def act(source: Photos, name: str, take: Callable[[Photos, Pages, dict], None]) -> None:
    """Perform an action once that a person requested on the current page.

    If it fails, a note explains why.
    """
    pages = pages_of(source)
    asked = st.session_state[f"grid-{source.name}"].get(name)
    if not asked or asked["page"] != pages.number:
        return
    try:
        take(source, pages, asked)
    except (InputError, OSError) as error:
        st.session_state["note"] = str(error)
    pages.number += 1  # even after an error, so that the page can be sent again


def give_labels(source: Photos, pages: Pages, asked: dict) -> None:
    """Write the labels of a page. Raises InputError if a label is not a class, or OSError."""
    marked = {place for place in asked["marked"] if place < len(pages.images)}
    label = ""
    changes: list[Change] = []
    if marked:
        label = asked["label"]
        changes, had_one = source.give([pages.images[place] for place in sorted(marked)], label)
        if had_one:
            number = "1 photo" if had_one == 1 else f"{had_one} photos"
            st.session_state["note"] = f"{number} already had a label, which is kept."
    undo_log.record(pages, (browser(), source.name), marked, label, changes)


def undo(source: Photos, pages: Pages, asked: dict) -> None:
    """Undo the previous page. Raises InputError if its labels have been changed since."""
    if pages.answers:
        pages.take_back()
        source.taken_back(pages.images)


def change_size(source: Photos, pages: Pages, asked: dict) -> None:
    """Switch from a page to its first photo, or from one photo to a page."""
    is_single = pages.size > 1
    pages.size = 1 if is_single else groups.PER_PAGE
    pages.images = pages.images[:1] if is_single else []
    pages.sure = len(pages.images)


def enlarge(source: Photos) -> None:
    """Remember which photo on the current page to show large."""
    st.session_state["large"] = st.session_state[f"grid-{source.name}"].get("large")


def large_of(source: Photos, pages: Pages) -> dict[str, str | int] | None:
    """Return the position, picture and name of the photo to show large, or None."""
    asked = st.session_state.pop("large", None)
    if not asked or asked["page"] != pages.number or asked["photo"] >= len(pages.images):
        return None
    path, _ = pages.images[asked["photo"]]
    with contextlib.suppress(InputError, UnusableImageError):  # the photo has been removed
        picture = source.picture(path, is_large=True)
        return {"photo": asked["photo"], "src": picture, "name": path}
    return None


def show_review() -> Walk | None:
    """Show a button. Return the walk through labels to review once it begins."""
    rows = read_table(paths.LABELS_TO_REVIEW_CSV, LABELS_TO_REVIEW)
    rows = photos.keep_present(rows)
    if rows.empty:
        st.success("None: no label has a low probability or contradicts a near-duplicate.")
        return None
    st.markdown(
        f"{len(rows)} images have a near-duplicate with a different label, or a label that is "
        "unlikely according to a model that was not trained on them. Your labels are saved in "
        "`labels.csv`."
    )
    advice = "To train with the corrections, press Run on the Run page."
    reviewed = reviewed_images(paths.LABELS_CSV)
    names = rows["path"].str.normalize("NFC")
    rest = rows[~(rows["pixels_sha256"].isin(reviewed) | names.isin(reviewed))]
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
    return Walk(items, pools.in_order(read_json(paths.LABELS_JSON)), advice, [])


def doubt(row: pd.Series) -> str:
    """Explain why the label of an image may be wrong, in Markdown."""
    label = (
        f"Labelled **{plain(row['label'])}** ({plain(row['split'])}), with probability "
        f"{row['probability']:.1%}; "
    )
    if row["contradicts"]:
        return f"{label}its near-duplicate **{plain(row['contradicts'])}** has a different label."
    return f"{label}perhaps **{plain(row['likely'])}**."
