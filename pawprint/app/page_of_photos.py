"""Label a page of similar photos at once. Browsers that are open together see different photos."""

import contextlib
import time
from collections.abc import Callable, Collection, Container
from functools import partial
from pathlib import Path
from uuid import uuid4

import streamlit as st

from pawprint.app import HERE, groups, undo_log
from pawprint.app.groups import Pages, Pool, without
from pawprint.app.photo_sources import Photos
from pawprint.app.photos import explain_errors, message
from pawprint.errors import InputError, counted, name_in_folder
from pawprint.files import read_text
from pawprint.projects import labelling
from pawprint.projects.labelling import ImageKey

COOKIE = "pawprint"  # contains the name of the browser
EXPIRED = 600  # seconds after which photos in an idle or closed browser are offered again


@st.cache_resource(show_spinner=False)
def shown() -> dict[tuple[str, str], tuple[float, list[ImageKey]]]:
    """Return the images that each browser shows of each source, and since when, in seconds."""
    return {}


def browser() -> str:
    """Return the name of the browser, which is stored in a cookie."""
    return st.session_state.setdefault("browser", st.context.cookies.get(COOKIE) or uuid4().hex)


def pages_of(source: Photos) -> Pages:
    """Return the pages of this session, starting with the browser's earlier answers."""
    key = f"pages-{source.name}"
    if key not in st.session_state:
        st.session_state[key] = Pages(size=1 if source.pool.about else groups.PER_PAGE)
        undo_log.restore(st.session_state[key], (browser(), source.name))
    return st.session_state[key]


@st.fragment
def show_pages(source: Photos) -> None:
    """Show the current page of photos. An answer redraws only this page."""
    with explain_errors():
        pages = pages_of(source)
        given = source.given()
        unknown = labelling.undecided(HERE)
        cells = cells_of(source, pages, given, unknown)
        shown()[browser(), source.name] = (time.time(), pages.images)
        done, left, doubted = count_photos(source.pool, pages.missing, given, unknown)
        if note := st.session_state.pop("note", ""):
            st.warning(message(note))
        if not cells or pages.are_last:
            st.success(f"{describe_end(pages, doubted)} {source.advice}")
        folder = Path(__file__).parent
        css, js = (folder / f"grid.{kind}" for kind in ("css", "js"))
        grid = st.components.v2.component("pawprint_grid", css=read_text(css), js=read_text(js))
        data = {
            "page": pages.number,
            "done": describe_progress(done, left, doubted),
            "photos": cells,
            "sure": pages.sure,
            "classes": source.classes(),
            "label": pages.label,
            "new": source.accepts_new,
            "single": pages.size == 1,
            "undecided": pages.are_last,
            "walk": bool(source.pool.about),
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
            on_large_change=lambda: None,
        )


def count_photos(
    pool: Pool, missing: Container[ImageKey], given: Container[str], unknown: Container[str]
) -> tuple[int, int, int]:
    """Count the photos with and without a label, and those marked as not known among the latter.

    Those that are `missing`, which cannot be read, do not count.

    `given` and `unknown` contain paths or pixels_sha256.
    """
    images = [image for image in pool.all_images() if image not in missing]
    left = without(given, images)
    return len(images) - len(left), len(left), len(left) - len(without(unknown, left))


def describe_end(pages: Pages, doubted: int) -> str:
    """Return why the pages end: all photos have a label, except those that cannot get one."""
    if doubted:
        ask = " Label those that you know now, or stop here." if pages.images else ""
        return f"Done, except for {counted(doubted, 'photo')} marked as not known.{ask}"
    if pages.missing:
        return f"Only unreadable photos are left: {len(pages.missing):,}."
    return "All photos have a label."


def describe_progress(done: int, left: int, doubted: int) -> str:
    """Return how many photos are left, and how many got a label."""
    text = f"{counted(left, 'photo')} left"
    if doubted:
        text += f" (marked as not known: {doubted:,})"
    return f"{text}; {done:,} got a label." if done else f"{text}."


def cells_of(
    source: Photos, pages: Pages, given: dict[str, str], unknown: Collection[str]
) -> list[dict[str, str]]:
    """Return the picture, name and text of each photo on the page, without unreadable photos.

    `given` contains the labels so far, and `unknown` the keys of undecided images.
    """
    cells: list[dict[str, str]] = []
    while not cells:
        if not pages.images:
            pages.turn(source.pool, given, seen_by_others(), unknown)
        if not pages.images:
            break
        sure = pages.sure
        for place, image in enumerate([*pages.images]):
            try:
                picture = source.picture(image[0], is_large=pages.size == 1)
                about = source.pool.about.get(image[0], "")
                cells.append({"src": picture, "alt": name_in_folder(image[0]), "about": about})
            except InputError:  # for example, the photo was removed
                pages.missing.add(image)
                pages.sure -= place < sure
        pages.images = [image for image in pages.images if image not in pages.missing]
    return cells


def seen_by_others() -> set[ImageKey]:
    """Return the images shown in other browsers, except in idle ones.

    A new session of the same browser takes over its images.
    """
    others: set[ImageKey] = set()
    for (name, _), (since, images) in list(shown().items()):
        if name != browser() and time.time() - since < EXPIRED:
            others.update(images)
    return others


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
    changes: list[undo_log.Change] = []
    if marked:
        label = asked["label"]
        changes, had_one = source.give([pages.images[place] for place in sorted(marked)], label)
        if had_one:
            number = counted(had_one, "photo")
            st.session_state["note"] = f"{number} already had a label, which is kept."
    undo_log.record(pages, (browser(), source.name), marked, label, changes)


def undo(source: Photos, pages: Pages, asked: dict) -> None:
    """Undo the previous page. Raises InputError if its labels have been changed since."""
    pages.take_back()
    source.forget(pages.images)


def change_size(source: Photos, pages: Pages, asked: dict) -> None:
    """Switch from a page to its first photo, or from one photo to a page."""
    is_single = pages.size > 1
    pages.size = 1 if is_single else groups.PER_PAGE
    pages.images = pages.images[:1] if is_single else []
    pages.sure = len(pages.images)


def large_of(source: Photos, pages: Pages) -> dict[str, str | int] | None:
    """Return the position, picture and name of the photo to show large, or None."""
    asked = st.session_state.get(f"grid-{source.name}", {}).get("large")
    if not asked or asked["page"] != pages.number or asked["photo"] >= len(pages.images):
        return None
    path, _ = pages.images[asked["photo"]]
    with contextlib.suppress(InputError):  # the photo has been removed
        picture = source.picture(path, is_large=True)
        return {"photo": asked["photo"], "src": picture, "name": path}
    return None
