"""Define what depends on how unequal classes are: the main score, and the weights of images."""

from collections.abc import Collection

import numpy as np

from pawprint.base.labels import ONE_CLASS, LabelKind

MAX_LARGEST = 2  # ratio to an equal share, above which the classes are imbalanced
# What the main score is called, by its key in the metrics and in plots/scores.csv.
HEADLINES = {
    "accuracy": "accuracy",
    "mean_recall": "balanced accuracy",
    "exact": "photos with every label right",  # if a photo can show several
}


def are_imbalanced(images: Collection[int]) -> bool:
    """Return whether one of three or more classes has over MAX_LARGEST times its even share.

    `images` contains the number of images of each class that has images.
    """
    return max(images) > MAX_LARGEST * sum(images) / len(images)


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


def balanced_weights(targets: np.ndarray) -> dict[int, float]:
    """Return a weight for each class that is inversely proportional to its number of images.

    A class of average size has a weight of 1, as in scikit-learn's `compute_class_weight`.
    """
    classes, images = np.unique(targets, return_counts=True)
    weights = len(targets) / (len(classes) * images)
    return dict(zip(classes.astype(int).tolist(), weights.tolist()))


def sample_weights(class_weight: str | None, targets: np.ndarray) -> np.ndarray:
    """Return the weight of each image in the loss, float64 `(images,)`, with a mean of 1.

    With "balanced", all classes that have images weigh the same. With None, all images do;
    `TrainExtract.weight_for` in pipeline/params/model.py decides.
    """
    if class_weight is None:
        return np.ones(len(targets))
    numbers = np.unique(targets, return_inverse=True)[1]
    return np.array([*balanced_weights(targets).values()])[numbers]
