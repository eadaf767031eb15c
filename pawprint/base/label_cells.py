"""Read and write the labels of an image that may show several things, or none, as a single cell."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from pawprint.base.classes import NEITHER

SEPARATOR = "|"


def labels_in(cell: str) -> list[str]:
    """Return the labels in a cell such as "sea|sunset"; NEITHER means that there are none."""
    return [] if cell == NEITHER else cell.split(SEPARATOR)


def cell_of(labels: Iterable[str]) -> str:
    """Return the cell for any number of labels, whatever their order."""
    return SEPARATOR.join(sorted(set(labels))) or NEITHER


def indicators(cells: Sequence[str], labels: list[str]) -> np.ndarray:
    """Return whether each image shows each label, bool `(images, labels)`."""
    found = [set(labels_in(cell)) for cell in cells]
    shown = [[label in one for label in labels] for one in found]
    return np.array(shown, bool).reshape(len(found), len(labels))


def cells_of(indicators: np.ndarray, labels: list[str]) -> list[str]:
    """Return the cell of each image, given whether it shows each label."""
    return [
        cell_of(label for label, is_shown in zip(labels, row) if is_shown) for row in indicators
    ]


def strata(cells: pd.Series) -> pd.Series:
    """Return what sorts each image: its rarest label (in a tie, the first by name), or NEITHER.

    Labels are counted in these cells.
    """
    images = cells.map(labels_in).explode().value_counts()
    return cells.map(
        lambda cell: min(labels_in(cell), key=lambda label: (images[label], label), default=NEITHER)
    )
