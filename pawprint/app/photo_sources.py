"""Provide sources of photos to label: the project's images, or images in other folders."""

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from pawprint import paths
from pawprint.app import HERE, groups, photos, undo_log
from pawprint.classes import NEITHER
from pawprint.dataset.user_tables import reviewed_images, spellings
from pawprint.errors import InputError
from pawprint.files import read_json
from pawprint.images.folder import find_images
from pawprint.images.reading import read_again
from pawprint.model.detector import unit_length
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import Prediction, predict_each
from pawprint.params.data import Fetch
from pawprint.projects import class_folders, labelling

ImageKeys = Sequence[labelling.ImageKey]


class ProjectPhotos:
    """Images of the last run that have no label. Their labels are written to labels.csv."""

    name = ""
    advice = "To train with the labels, press Run on the Run page."

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

    def picture(self, path: str, is_large: bool) -> str:
        """Return a photo as a data URI. Raises InputError."""
        return photos.data_uri(photos.photo(path)) if is_large else photos.square(path)

    def give(self, images: ImageKeys, label: str) -> tuple[list[class_folders.Change], int]:
        """Write a label, which is one of `classes`, a new class, NEITHER or UNDECIDED.

        Returns the changes, and the number of images that already had a label. Raises InputError or
        OSError, without changing anything.
        """
        label = labelling.class_to_give(label, self.classes(), self.accepts_new)
        changes, had_one = labelling.label_images(HERE, images, label)
        return [*changes], had_one

    def forget(self, images: ImageKeys) -> None:
        """Forget the labels of images."""


class SuspectPhotos(ProjectPhotos):
    """Images of the last run whose labels may be wrong. These are corrected in labels.csv."""

    name = str(paths.LABELS_TO_REVIEW_CSV)
    advice = "To train with the corrections, press Run on the Run page."
    accepts_new = False

    def given(self) -> dict[str, str]:
        """Return the paths of the images with a label that a person gave or confirmed."""
        reviewed = reviewed_images(paths.LABELS_CSV)
        names_of = {path: {pixels, *spellings(path)} for path, pixels in self.pool.others}
        return {path: "" for path, names in names_of.items() if names & reviewed}

    def classes(self) -> list[str]:
        """Return the classes of the last run, in order. Raises InputError."""
        return in_order(read_json(paths.LABELS_JSON))

    def give(self, images: ImageKeys, label: str) -> tuple[list[class_folders.Change], int]:
        """Set or replace the labels of images, like `ProjectPhotos`."""
        label = labelling.class_to_give(label, self.classes(), self.accepts_new)
        return [*labelling.correct(HERE, dict.fromkeys(images, label))], 0


class FolderPhotos:
    """Images in another folder. Images with a class are copied to the folder of that class.

    `labels` contains the labels given since the app was started, keyed by path, and NEITHER for
    images that were marked so earlier.
    """

    accepts_new = True

    def __init__(self, origin: Path, target: Path, pool: groups.Pool, model: Metadata) -> None:
        self.name = str(origin)
        is_source = target.resolve().is_relative_to(Path(Fetch.load().source).resolve())
        step = "" if is_source else "set `fetch.source` to this folder, and "
        copies = f"Copies of the photos are in {photos.plain(str(target))}."
        self.advice = f"{copies} To train with them, {step}press Run on the Run page."
        self.target, self.pool, self.model = target, pool, model
        paths_here = {path for path, _ in pool.all_images()}
        refused = paths_here.intersection(undo_log.refused())
        copied = class_folders.find_copies(map(Path, paths_here), self.places())
        self.labels = dict.fromkeys(refused, NEITHER) | {str(path): "" for path in copied}

    def places(self) -> class_folders.Places:
        """Return the places of the model's classes. Raises InputError."""
        return class_folders.places_of_classes(HERE, self.target, self.model.labels)

    def given(self) -> dict[str, str]:
        """Return the labels, keyed by path; "" stands for a photo labelled in another session."""
        return self.labels

    def classes(self) -> list[str]:
        """Return the classes of the model in their order, then of the folder, and new ones."""
        there = class_folders.classes_in(HERE, self.target) if self.target.is_dir() else ()
        names = dict.fromkeys([*in_order(self.model.labels), *there, *self.labels.values()])
        return [name for name in names if name not in ("", NEITHER)]

    def picture(self, path: str, is_large: bool) -> str:
        """Return a photo as a data URI. Raises InputError."""
        image = read_again(Path(path), path, self.model.bits, photos.LARGE)
        return photos.data_uri(image) if is_large else photos.padded(image)

    def give(self, images: ImageKeys, label: str) -> tuple[list[class_folders.Change], int]:
        """Copy photos to the place of a class, like `ProjectPhotos`; NEITHER is only remembered."""
        if label == labelling.UNDECIDED:
            return [*labelling.label_images(HERE, images, label)[0]], 0
        files = [Path(path) for path, _ in images]
        changes: list[class_folders.Change] = []
        present: set[Path] = set()
        if label != NEITHER:
            places = self.places()
            place = class_folders.place_to_give(HERE, label, self.classes(), places, self.target)
            ((label, _),) = place.items()
            present = class_folders.find_copies(files, places | place)
            new = [path for path in files if path not in present]
            changes += class_folders.add_all(HERE, place, new, label)
        changes += labelling.decide(HERE, map(str, files))
        self.labels |= {str(path): "" if path in present else label for path in files}
        return changes, len(present)

    def forget(self, images: ImageKeys) -> None:
        """Forget the labels of images."""
        for path, _ in images:
            self.labels.pop(path, None)


Photos = ProjectPhotos | FolderPhotos


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
    return labelling.layout_of(HERE, photos.archive()).classes


@st.cache_resource(max_entries=1, show_spinner="Grouping the photos …", hash_funcs=photos.HASHED)
def project_photos(*files: Path) -> ProjectPhotos:
    """Return the images of the last run, which has these files. Raises InputError without a run."""
    return ProjectPhotos(groups.read_pool())


# All sessions share this, so that none shows images that were labelled in another one.
@st.cache_resource(max_entries=4, show_spinner="Looking at the photos …", hash_funcs=photos.HASHED)
def folder_photos(given: tuple[str, str], version: str, model: Path) -> FolderPhotos:
    """Return the images in a folder or a table of `predict`, with the model's features.

    `given` contains the names of the folder and of the folder for labelled images. `version`
    identifies the files at that time: the result does not change if one disappears later. Raises
    InputError for overlapping folders, and for a model without
    features.
    """
    origin, target = map(Path, given)
    images = find_images([origin])
    class_folders.require_apart(origin, target, images)
    served = photos.predictor()
    rows = predict_each(served, images, _features, has_hashes=False)
    pairs = [(str(path.absolute()), row) for path, row in zip(images, rows) if not row["error"]]
    if not pairs or pairs[0][1]["features"] is None:
        raise InputError(
            f"cannot group the {len(pairs)} images in {origin}: grouping needs readable images "
            "and a model with the output `features`. Run `dvc repro`."
        )
    features = np.array([row["features"] for _, row in pairs])
    clusters = groups.find_clusters(features)
    head = pd.DataFrame([row["probabilities"] for _, row in pairs])[served.metadata.labels]
    pool = groups.Pool([(path, "") for path, _ in pairs], [], features, (), *clusters, head)
    return FolderPhotos(origin, target, pool, served.metadata)


def _features(image: Image.Image, predicted: Prediction) -> dict:
    features = predicted.features
    return {"features": None if features is None else unit_length(features).astype(np.float32)}
