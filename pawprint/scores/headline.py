"""Choose the main score of a run: the accuracy, or one that suits its classes better."""

from collections.abc import Collection

import numpy as np

from pawprint.base.label_kind import ONE_CLASS, LabelKind
from pawprint.base.weights import are_imbalanced

# What the main score is called, by its key in the metrics and in plots/scores.csv.
HEADLINES = {
    "accuracy": "accuracy",
    "mean_recall": "balanced accuracy",
    "exact": "photos with every label right",  # if a photo can show several
}


def headline(images: Collection[int]) -> str:
    """Return the main score of these classes, a key of HEADLINES."""
    return "mean_recall" if are_imbalanced(images) else "accuracy"


def headline_strata(actual: np.ndarray, kind: LabelKind = ONE_CLASS) -> tuple[str, np.ndarray]:
    """Return the main score's title for images of these classes, and its strata, `(images,)`.

    Strata are weighted equally: the classes for the balanced accuracy, or a single stratum for the
    accuracy. With several labels, the score is the fraction of images with all of them right.
    """
    name = "exact"
    if kind.exclusive:
        name = headline(np.unique(actual, return_counts=True)[1].tolist())
    return HEADLINES[name], actual if name == "mean_recall" else np.zeros(len(actual), int)
