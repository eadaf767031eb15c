"""Provide sources of photos to label: those without a label, and those whose label may be wrong."""

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

import streamlit as st

from pawprint import artifacts
from pawprint.app import HERE, groups, labelling, photos
from pawprint.app.labelling import Undo
from pawprint.base import paths
from pawprint.base.classes import NEITHER
from pawprint.base.errors import InputError
from pawprint.base.files import read_json
from pawprint.data.user_tables import reviewed_images, spellings

ImageKeys = Sequence[labelling.ImageKey]


class UnlabelledPhotos:
    """Images of the last run that have no label. Their labels are written to labels.csv."""

    name = "unlabelled"

    def __init__(self, pool: groups.Pool) -> None:
        self.pool = pool

    @property
    def accepts_new(self) -> bool:
        """Whether labels.csv can add classes. Raises InputError."""
        return not classes_of_source()

    def given(self) -> dict[str, str]:
        """Return the labels by pixels_sha256 or path. Raises InputError."""
        return labelling.labels_given(HERE)

    def classes(self) -> list[str]:
        """Return the classes that a photo can get. Raises InputError."""
        return classes_here()

    def give(self, images: ImageKeys, label: str) -> tuple[Undo, int]:
        """Write a label, which is one of `classes`, a new class, or NEITHER.

        Returns a function that undoes this, and the number of images that already had a label.
        Raises InputError or OSError, without changing anything.
        """
        label = labelling.class_to_give(label, self.classes(), self.accepts_new)
        return labelling.label_images(HERE, images, label)


class SuspectPhotos(UnlabelledPhotos):
    """Images of the last run whose labels may be wrong. These are corrected in labels.csv."""

    name = "suspects"
    accepts_new = False

    def given(self) -> dict[str, str]:
        """Return the paths of the images with a label that a person gave or confirmed."""
        reviewed = reviewed_images(paths.LABELS_CSV)
        names_of = {path: {pixels, *spellings(path)} for path, pixels in self.pool.others}
        return {path: "" for path, names in names_of.items() if names & reviewed}

    def classes(self) -> list[str]:
        """Return the classes of the last run, in order. Raises InputError."""
        return in_order(read_json(paths.LABELS_JSON))

    def give(self, images: ImageKeys, label: str) -> tuple[Undo, int]:
        """Set or replace the labels of images, like `UnlabelledPhotos`."""
        label = labelling.class_to_give(label, self.classes(), self.accepts_new)
        return labelling.correct(HERE, dict.fromkeys(images, label)), 0


def in_order(names: Collection[str]) -> list[str]:
    """Return classes in the order of their digits (see `order_classes`). Raises InputError."""
    of_source: list[str] = []
    with contextlib.suppress(InputError):  # without the data, only labels.csv is known
        of_source = classes_of_source()
    return labelling.order_classes(names, of_source, labelling.labels_given(HERE).values())


def classes_here() -> list[str]:
    """Return the classes of the project, in order. Raises InputError."""
    given = {*labelling.labels_given(HERE).values()} - {"", NEITHER}
    return classes_of_source() or in_order(given)


def classes_of_source() -> list[str]:
    """Return the classes that folders, metadata.csv or `clean.labels` provide, or [].

    Raises InputError.
    """
    return _classes_of_source(paths.RAW_ARCHIVES, paths.PARAMS)


@st.cache_data(max_entries=1, show_spinner=False, hash_funcs=photos.HASHED)
def _classes_of_source(*files: Path) -> list[str]:
    return artifacts.classes_of_source(HERE, photos.archive())


@st.cache_resource(max_entries=1, show_spinner="Grouping the photos …", hash_funcs=photos.HASHED)
def unlabelled_photos(*files: Path) -> UnlabelledPhotos:
    """Return the images of the last run, which has these files. Raises InputError without a run."""
    return UnlabelledPhotos(groups.read_pool())
