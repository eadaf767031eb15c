"""Define the scores of a model that names any number of labels for an image.

`actual` and `predicted` are bool, and `probabilities` float, `(images, labels)`, with columns in
the order of the labels. An image is the unit of every interval, because its labels depend on each
other.
"""

from operator import attrgetter

import numpy as np
import pandas as pd

from pawprint.base.classes import HEADLINES
from pawprint.base.columns import EACH_LABEL
from pawprint.base.label_cells import cell_of, cells_of, label_losses
from pawprint.scores.metrics import (
    APART,
    CATALOGUE,
    LOSS,
    NUMBER,
    OF_EACH,
    Predictions,
    Samples,
    Score,
    alone,
    count_ranked,
)


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
    def losses(self) -> np.ndarray:
        """The log loss of each image, the sum over its labels, `(images,)`."""
        return label_losses(self.actual, self.probabilities)

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
    def catalogue(self) -> dict[str, Score]:
        """The scores that apply."""
        return OF_SEVERAL


def _found(predictions: LabelPredictions) -> np.ndarray:
    return np.where(predictions.actual, predictions.predicted, np.nan)


def _named_right(predictions: LabelPredictions) -> np.ndarray:
    return np.where(predictions.predicted, predictions.actual, np.nan)


def _average_precision(predictions: LabelPredictions, index: int) -> tuple[float, int]:
    """Return the mean precision at the images that have the label, and their number."""
    is_of = predictions.is_of(index)
    right, taken = count_ranked(is_of, predictions.probabilities[:, index])
    gained = np.diff(right, prepend=0)
    return float((gained * right / taken).sum() / right[-1]), int(right[-1])


# Scores in the order of plots/scores.csv. Scores of a label without images are left out.
OF_SEVERAL = {
    "exact": Score(HEADLINES["exact"], attrgetter("is_right")),
    "loss": LOSS,
    "found": Score("labels found", _found),
    "named_right": Score("named labels that are right", _named_right),
    APART: Score("every label right, without near-duplicates of other splits"),
    "refused": Score("images labelled unknown", attrgetter("is_unknown")),
    **OF_EACH,
    "average_precision": Score(
        "average precision", _average_precision, NUMBER, alone, is_of_class=True
    ),
}
EVERY_SCORE = CATALOGUE | OF_SEVERAL


def catalogue_of(scores: pd.DataFrame) -> dict[str, Score]:
    """Return the catalogue that a SCORES table follows."""
    return OF_SEVERAL if (scores["score"] == "exact").any() else CATALOGUE
