"""Label a page of similar photos at once."""

import contextlib
from collections.abc import Callable, Container
from functools import partial
from pathlib import Path

import streamlit as st

from pawprint.app import groups, photos
from pawprint.app.groups import Pages, Pool, without
from pawprint.app.labelling import ImageKey, Undo
from pawprint.app.photo_sources import UnlabelledPhotos
from pawprint.app.photos import explain_errors, message
from pawprint.base.errors import InputError, counted, name_in_folder
from pawprint.base.files import read_text

ADVICE = "To train with your labels, press Run on the Run page."


def pages_of(source: UnlabelledPhotos) -> Pages:
    """Return the pages of this session."""
    size = 1 if source.pool.about else groups.PER_PAGE
    return st.session_state.setdefault(f"pages-{source.name}", Pages(size=size))


@st.fragment
def show_pages(source: UnlabelledPhotos) -> None:
    """Show the current page of photos. An answer redraws only this page."""
    with explain_errors():
        pages = pages_of(source)
        given = source.given()
        cells = cells_of(source, pages, given)
        done, left = count_photos(source.pool, pages.missing, given)
        if note := st.session_state.pop("note", ""):
            st.warning(message(note))
        if not cells:
            st.success(f"{describe_end(pages)} {ADVICE}")
        folder = Path(__file__).parent
        css, js = (folder / f"grid.{kind}" for kind in ("css", "js"))
        grid = st.components.v2.component("pawprint_grid", css=read_text(css), js=read_text(js))
        data = {
            "page": pages.number,
            "done": describe_progress(done, left),
            "photos": cells,
            "sure": pages.sure,
            "classes": source.classes(),
            "label": pages.label,
            "new": source.accepts_new,
            "single": pages.size == 1,
            "walk": bool(source.pool.about),
            "undo": bool(pages.answers),
            "large": large_of(source, pages),
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
    pool: Pool, missing: Container[ImageKey], given: Container[str]
) -> tuple[int, int]:
    """Count the photos with and without a label, except those that are `missing`.

    `given` contains paths or pixels_sha256.
    """
    images = [image for image in pool.all_images() if image not in missing]
    left = len(without(given, images))
    return len(images) - left, left


def describe_end(pages: Pages) -> str:
    """Return why the pages end: all photos have a label, except those that cannot get one."""
    if pages.missing:
        return f"Only unreadable photos are left: {len(pages.missing):,}."
    return "All photos have a label."


def describe_progress(done: int, left: int) -> str:
    """Return how many photos are left, and how many got a label."""
    text = f"{counted(left, 'photo')} left"
    return f"{text}; {done:,} got a label." if done else f"{text}."


def cells_of(source: UnlabelledPhotos, pages: Pages, given: dict[str, str]) -> list[dict[str, str]]:
    """Return the picture, name and text of each photo on the page, without unreadable photos.

    `given` contains the labels so far.
    """
    cells: list[dict[str, str]] = []
    while not cells:
        if not pages.images:
            pages.turn(source.pool, given)
        if not pages.images:
            break
        sure = pages.sure
        for place, image in enumerate([*pages.images]):
            path = image[0]
            try:
                picture = photos.large(path) if pages.size == 1 else photos.square(path)
                about = source.pool.about.get(path, "")
                cells.append({"src": picture, "alt": name_in_folder(path), "about": about})
            except InputError:  # for example, the photo was removed
                pages.missing.add(image)
                pages.sure -= place < sure
        pages.images = [image for image in pages.images if image not in pages.missing]
    return cells


def act(
    source: UnlabelledPhotos, name: str, take: Callable[[UnlabelledPhotos, Pages, dict], None]
) -> None:
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


def give_labels(source: UnlabelledPhotos, pages: Pages, asked: dict) -> None:
    """Write the labels of a page. Raises InputError if a label is not a class, or OSError."""
    marked = {place for place in asked["marked"] if place < len(pages.images)}
    label = ""
    take_back: Undo = dict  # nothing to undo
    if marked:
        label = asked["label"]
        take_back, had_one = source.give([pages.images[place] for place in sorted(marked)], label)
        if had_one:
            number = counted(had_one, "photo")
            st.session_state["note"] = f"{number} already had a label, which is kept."
    pages.answer(marked, label, take_back)


def undo(source: UnlabelledPhotos, pages: Pages, asked: dict) -> None:
    """Undo the previous page. Raises InputError if its labels have been changed since."""
    pages.take_back()


def change_size(source: UnlabelledPhotos, pages: Pages, asked: dict) -> None:
    """Switch from a page to its first photo, or from one photo to a page."""
    is_single = pages.size > 1
    pages.size = 1 if is_single else groups.PER_PAGE
    pages.images = pages.images[:1] if is_single else []
    pages.sure = len(pages.images)


def large_of(source: UnlabelledPhotos, pages: Pages) -> dict[str, str | int] | None:
    """Return the position, picture and name of the photo to show large, or None."""
    asked = st.session_state.get(f"grid-{source.name}", {}).get("large")
    if not asked or asked["page"] != pages.number or asked["photo"] >= len(pages.images):
        return None
    path, _ = pages.images[asked["photo"]]
    with contextlib.suppress(InputError):  # the photo has been removed
        return {"photo": asked["photo"], "src": photos.large(path), "name": path}
    return None
