"""What the final network gives for images of a split, by square.

`predict` writes it; `calibrate` and `evaluate` are functions of it.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from pawprint.classes import class_probabilities
from pawprint.files import read_arrays, write_arrays
from pawprint.params.results import AUGMENTATIONS, TestTimeAugmentation


def to_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities `(images, classes)` for logits `(images, units)` divided by a temperature."""
    from scipy.special import expit, softmax  # takes long, and the stage `predict` needs none

    scaled = logits / temperature
    is_one = scaled.shape[-1] == 1
    return class_probabilities(expit(scaled)) if is_one else softmax(scaled, axis=-1)


class Outputs(NamedTuple):
    """Of images in the order of their table.

    `actual`, int64 `(images,)`, has the index of each label, -1 for an unknown image. `logits`
    are float32 `(images, squares, units)`, `unknown_scores` float32 `(images, squares)`. The first
    square is the image as `model.resize` makes it, the others are those of test-time augmentation.
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

    def means(self, augmentation: TestTimeAugmentation) -> tuple[np.ndarray, np.ndarray]:
        """Logits `(images, units)` and unknown scores `(images,)`, float64, over the squares."""
        number = AUGMENTATIONS[augmentation].number
        logits, scores = self.logits[:, :number], self.unknown_scores[:, :number]
        return logits.mean(axis=1, dtype=np.float64), scores.mean(axis=1, dtype=np.float64)
