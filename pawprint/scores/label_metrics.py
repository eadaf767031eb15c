"""Define the scores of a model that names any number of labels for an image.

`actual` and `predicted` are bool, and `probabilities` float, `(images, labels)`, with columns in
the order of the labels. An image is the unit of every interval, because its labels depend on each
other.
"""

import numpy as np

from pawprint.base.columns import EACH_LABEL
from pawprint.base.label_cells import cell_of, cells_of
from pawprint.scores.metrics import Predictions, Samples


class LabelPredictions(Predictions):
    """Predictions for images that show any number of the labels."""

    @property
    def is_right(self) -> np.ndarray:
        """Whether every label of an image is right, bool `(images,)`."""
        return (self.predicted == self.actual).all(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """The probability of an image's predicted labels together, if independent, `(images,)`."""
        return np.where(self.predicted, self.probabilities, 1 - self.probabilities).prod(axis=1)

    @property
    def names(self) -> np.ndarray:
        """Each image's predicted labels in one cell, str `(images,)`."""
        return np.array(cells_of(self.predicted, self.labels))

    @property
    def mistakes(self) -> list[str]:
        """What is wrong with each prediction: lines such as "missed sea" and "named trees"."""
        kinds = {"missed": self.actual & ~self.predicted, "named": self.predicted & ~self.actual}
        cells = {verb: cells_of(wrong, self.labels) for verb, wrong in kinds.items()}
        return [
            "\n".join(f"{verb} {cell}" for verb, cell in zip(cells, row) if cell != cell_of([]))
            for row in zip(*cells.values())
        ]

    def is_of(self, index: int) -> np.ndarray:
        """Return whether each image has a label, bool `(images,)`."""
        return self.actual[:, index]

    def is_named(self, index: int) -> np.ndarray:
        """Return whether a label is predicted for each image, bool `(images,)`."""
        return self.predicted[:, index]

    @property
    def with_a_curve(self) -> list[int]:
        """The labels that some images have and others do not."""
        return [index for index in self.present if not self.is_of(index).all()]

    @property
    def samples(self) -> Samples:
        """One sample for each image and label."""
        groups = np.repeat(self.groups, len(self.labels))
        return Samples(EACH_LABEL, self.probabilities.ravel(), self.actual.ravel(), groups)

    @property
    def exclusive(self) -> bool:
        """Whether each image is in one class."""
        return False
