"""Store the network's outputs for a split, and convert logits to probabilities.

`predict` writes one output file per split, and `evaluate` reads these files.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from pawprint.classes import class_probabilities
from pawprint.files import read_arrays, write_arrays


class Outputs(NamedTuple):
    """Labels and outputs for images, in the order of their table.

    `actual`, int64 `(images,)`, contains label indices, or -1 for unknown images. `logits` are
    float64 `(images, units)`, and `unknown_scores` are float64 `(images,)`. If the served network
    takes an image and its mirror image, outputs are means over both.
    """

    actual: np.ndarray
    logits: np.ndarray
    unknown_scores: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file written by `write`. Raises InputError if it is missing or damaged."""
        return cls(**read_arrays(path, cls._fields))

    def write(self, path: Path) -> None:
        """Write all arrays to one file."""
        write_arrays(path, **self._asdict())


def to_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Convert logits `(images, units)` to probabilities `(images, classes)`."""
    scaled = logits / temperature
    if scaled.shape[-1] == 1:
        return class_probabilities(np.exp(-np.logaddexp(0, -scaled)))
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
