"""Read and write the labels of an image that may show several things, or none, as a single cell."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pawprint.base.classes import NEITHER

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = "|"
# The share of training images without a label up to which at least one is named for every image.
# Naming one changes the fraction of images with all labels right by +.5, +.2, -.2 and -1.0 (± .1)
# points if 0, .3, 1 and 2% show none.
MAX_NONE = 0.005


def labels_in(cell: str, exclusive: bool = False) -> list[str]:
    """Return the labels in a cell such as "sea|sunset"; NEITHER means that there are none.

    If labels are `exclusive`, a cell is a label.
    """
    if exclusive:
        return [cell]
    return [] if cell == NEITHER else [label.strip() for label in cell.split(SEPARATOR)]


def cell_of(labels: Iterable[str]) -> str:
    """Return the cell for any number of labels, whatever their order."""
    return SEPARATOR.join(sorted(set(labels) or {NEITHER}))


def count_labels(cells: Iterable[str], exclusive: bool = False) -> Counter[str]:
    """Return how many cells have each label, or none of them, under NEITHER."""
    return Counter(label for cell in cells for label in (labels_in(cell, exclusive) or [NEITHER]))


def names_in(cells: Iterable[str], exclusive: bool) -> set[str]:
    """Return the classes or labels of images: those that are `exclusive`, or those in cells."""
    return {*count_labels(cells, exclusive)} - (set() if exclusive else {NEITHER})


def encode(cells: Iterable[str], labels: list[str], exclusive: bool = False) -> np.ndarray:
    """Return whether each image shows each label, bool `(images, labels)`.

    If labels are `exclusive`, return the class index of each image, int64 `(images,)`, with -1 for
    other names.
    """
    if exclusive:
        index = {label: number for number, label in enumerate(labels)}
        return np.array([index.get(name, -1) for name in cells], np.int64)
    found = [set(labels_in(cell)) for cell in cells]
    shown = [[label in one for label in labels] for one in found]
    return np.array(shown, bool).reshape(len(found), len(labels))


def decode(encoded: np.ndarray, labels: list[str]) -> np.ndarray:
    """Return the class or the cell of each image, str `(…)`, from what `encode` returns."""
    if encoded.dtype != bool:
        return np.array(labels)[encoded]
    rows = encoded.reshape(-1, len(labels))
    cells = [cell_of(label for label, is_shown in zip(labels, row) if is_shown) for row in rows]
    return np.array(cells, str).reshape(encoded.shape[:-1])


def to_indicators(encoded: np.ndarray, labels: int) -> np.ndarray:
    """Return whether each image shows each of so many labels, bool `(…, labels)`.

    `encoded` is as from `encode`.
    """
    if encoded.dtype == bool:
        return encoded
    return np.asfortranarray(encoded[..., None] == np.arange(labels))  # labels are read one by one


def one_per_label(images: "pd.DataFrame", exclusive: bool = False) -> "pd.DataFrame":
    """Return a row for each label of each image, or NEITHER, from a table with cells as `label`.

    A table of `exclusive` classes stays as it is.
    """
    if exclusive:
        return images
    labels = images["label"].map(lambda cell: labels_in(cell) or [NEITHER])
    return images.assign(label=labels).explode("label")


def strata(cells: "pd.Series", exclusive: bool = False) -> "pd.Series":
    """Return what sorts each image: its rarest label (in a tie, the first by name), or NEITHER.

    Labels are counted in these cells. An `exclusive` class sorts its images itself.
    """
    if exclusive:
        return cells
    images = count_labels(cells)
    return cells.map(
        lambda cell: min(labels_in(cell), key=lambda label: (images[label], label), default=NEITHER)
    )


def named_labels(
    probabilities: np.ndarray, at_least_one: bool, thresholds: Mapping[int, float] = {}
) -> np.ndarray:
    """Return whether each label is named, bool `(…, labels)`, for probabilities `(…, labels)`.

    A label is named from 0.5 on, or from its threshold in `thresholds`, which maps indices. With
    `at_least_one`, the most probable label is named, too, if no label reaches 0.5 or its higher
    threshold; but none is named below its own threshold.
    """
    limits = np.full(probabilities.shape[-1], 0.5)
    limits[list(thresholds)] = list(thresholds.values())
    is_named = probabilities >= limits
    if at_least_one:
        has_any = (probabilities >= np.maximum(limits, 0.5)).any(axis=-1, keepdims=True)
        limits[[n for n in range(len(limits)) if n not in thresholds]] = 0
        most = probabilities == probabilities.max(axis=-1, keepdims=True)
        is_named |= ~has_any & most & (probabilities >= limits)
    return is_named


def are_right(
    actual: np.ndarray, probabilities: np.ndarray, training: np.ndarray | None = None
) -> np.ndarray:
    """Return whether what is predicted for each image is right, bool `(images,)`.

    `actual` is as from `encode`. All labels of an image have to be right. `training`, by default
    `actual`, decides whether at least one is named.
    """
    if actual.ndim == 1:
        return probabilities.argmax(axis=-1) == actual
    at_least_one = names_one(actual if training is None else training)
    return (named_labels(probabilities, at_least_one) == actual).all(axis=1)


def names_one(actual: np.ndarray) -> bool:
    """Return whether at least one label is named: at most MAX_NONE of these images show none.

    `actual` is as from `encode`.
    """
    return bool((~actual.any(axis=1)).sum() <= MAX_NONE * len(actual))


def sigmoid(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the probabilities of labels that do not exclude each other, in the same shape."""
    return np.exp(-np.logaddexp(0, -logits / temperature))
