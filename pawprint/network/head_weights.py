"""The weights of a head and their file. Without Keras, which a solved head does not need."""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.files import read_arrays, write_arrays

FLOOR = 0.25  # of seven sets, those at 0.1 to 0.5 have about the same loss, and at 0 a higher one


def kinds_of(has_blocks: bool) -> tuple[str, ...]:
    """The kinds of stored features that a head takes, side by side."""
    return ("blocks", "top") if has_blocks else ("top",)


class Standardisation(NamedTuple):
    """What features are multiplied by, and what is added then, float32 `(features,)` each.

    They get a mean of 0, a deviation of about 1, and are divided by the root of their number: an
    image has length 1, whatever the number of features, so that one penalty on weights and one
    learning rate suit all backbones.
    """

    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, deviation: np.ndarray) -> Self:
        """`mean` and `deviation` are those of the training images, float `(features,)`.

        FLOOR times the root mean square of all deviations is added to each, in squares: a feature
        that hardly differs in training would be amplified in new images.
        """
        least = FLOOR * np.sqrt(np.square(deviation).mean())
        deviation = np.hypot(deviation, least) * np.sqrt(len(deviation))
        scale = 1 / np.where(deviation > 0, deviation, 1)
        return cls(scale.astype(np.float32), (-mean * scale).astype(np.float32))

    def apply(self, rows: np.ndarray) -> None:
        """Standardise float32 `(rows, features)` in place."""
        rows *= self.scale
        rows += self.offset


class HeadWeights(NamedTuple):
    """The arrays of a head in Keras' order, for features of blocks or of the last maps alone."""

    arrays: list[np.ndarray]
    standardisation: Standardisation | None
    has_blocks: bool

    @property
    def features(self) -> int:
        """How many features the head takes."""
        return len(self.arrays[0])

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote. Raises InputError if it is missing or damaged."""
        arrays = read_arrays(path)
        has_blocks = bool(arrays.pop("has_blocks"))
        terms = [arrays.pop(name) for name in Standardisation._fields if name in arrays]
        return cls([*arrays.values()], Standardisation(*terms) if terms else None, has_blocks)

    def write(self, path: Path) -> None:
        terms = self.standardisation._asdict() if self.standardisation else {}
        write_arrays(path, *self.arrays, has_blocks=np.array(self.has_blocks), **terms)


class NewHead(NamedTuple):
    """Weights, their metrics on validation and those before, the table HISTORY, and how they were
    found, such as "by logistic regression".
    """

    weights: HeadWeights
    initial: dict[str, float]
    validation: dict[str, float]
    history: pd.DataFrame
    how: str
