"""Weigh images so that the classes of unequal size count as much as each other."""

from collections.abc import Collection

import numpy as np

MAX_LARGEST = 2  # ratio to an equal share, above which the classes are imbalanced


def are_imbalanced(images: Collection[int]) -> bool:
    """Return whether one of three or more classes has over MAX_LARGEST times its even share.

    `images` contains the number of images of each class that has images.
    """
    return max(images) > MAX_LARGEST * sum(images) / len(images)


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
