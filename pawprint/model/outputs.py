"""What the final network gives for images of a split, from their stored features.

`predict` writes it; `calibrate` and `evaluate` are functions of it.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from pawprint.classes import class_probabilities
from pawprint.files import read_arrays, write_arrays


def to_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities `(images, classes)` for logits `(images, units)` divided by a temperature."""
    scaled = logits / temperature
    if scaled.shape[-1] == 1:
        return class_probabilities(np.exp(-np.logaddexp(0, -scaled)))
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


class Outputs(NamedTuple):
    """Of images in the order of their table.

    `actual`, int64 `(images,)`, has the index of each label, -1 for an unknown image. `logits` are
    float64 `(images, units)`, `unknown_scores` float64 `(images,)`: means over the image and its
    mirror image, where the served network takes both.
    """

    actual: np.ndarray
    logits: np.ndarray
    unknown_scores: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises InputError if the file is missing, damaged, or has other arrays."""
        return cls(**read_arrays(path, cls._fields))

    def write(self, path: Path) -> None:
        write_arrays(path, **self._asdict())
