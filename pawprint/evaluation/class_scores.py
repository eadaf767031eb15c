"""Scores of each class against the others, for images that count several times."""

from collections.abc import Callable

import numpy as np

NAMES = ("precision", "recall", "f1", "roc_auc")


def class_scores(
    actual: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """A function that scores each class for given weights of the images.

    `actual` and `predicted` hold class indices, `(images,)`; `probabilities` are float
    `(images, classes)`, and every class has an image. The function takes weights, float64
    `(resamples, images)`, and returns the NAMES of all classes and of each, float64
    `(4, 1 + classes, resamples)`. Those of all classes are means. A class that is never predicted
    has a precision of 0.
    """
    classes = np.arange(probabilities.shape[1])
    is_actual = (actual[:, None] == classes).astype(float)
    is_predicted = (predicted[:, None] == classes).astype(float)
    # Of two classes the second's curve stands for both: 1 - p rounds small probabilities to ties.
    curves = [1, 1] if len(classes) == 2 else classes
    areas = [_area(actual == each, probabilities[:, each]) for each in curves]

    def score(weights: np.ndarray) -> np.ndarray:
        right, images, found = (
            (weights @ each).T for each in (is_actual * is_predicted, is_actual, is_predicted)
        )
        roc_auc = np.stack([area(weights) for area in areas])
        of_classes = np.stack(
            [
                right / np.maximum(found, 1),
                right / images,
                2 * right / (images + found),
                roc_auc,
            ]
        )
        return np.concatenate([of_classes.mean(axis=1, keepdims=True), of_classes], axis=1)

    return score


def _area(is_class: np.ndarray, probability: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The area under the ROC curve for weights of the images.

    It is the fraction of pairs, one image of the class and one of another, in the right order; ties
    count half.
    """
    order = np.argsort(probability, kind="stable")
    is_class, ordered = is_class[order], probability[order]
    ties = np.flatnonzero(np.append(True, ordered[1:] > ordered[:-1]))  # where each begins

    def area(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, order]
        of_class, others = (
            np.add.reduceat(weights * of_kind, ties, axis=1) for of_kind in (is_class, ~is_class)
        )
        below = np.cumsum(others, axis=1) - others / 2
        return (of_class * below).sum(axis=1) / (of_class.sum(axis=1) * others.sum(axis=1))

    return area
