"""Ask for the label of one image after another, with buttons and keys, and undo answers."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import streamlit as st
from PIL import Image

from pawprint.app import photos
from pawprint.app.photos import explain_errors, plain
from pawprint.classes import NEITHER
from pawprint.projects.labels import UNDECIDED

KEYS = 9  # classes that have a key
DOUBT = "d"  # Streamlit accepts only letters and digits, so the key is not UNDECIDED


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
    _show_button(key, walk, "I do not know", DOUBT, partial(_answer, walk, item, UNDECIDED))
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
