"""Probabilities of the classes: from logits or the output of a model, to classes and log losses."""

import numpy as np


def class_probabilities(output: np.ndarray) -> np.ndarray:
    """Probabilities `(…, classes)`, which sum to 1, from those that a model gives, `(…, units)`.

    One unit is the second of two classes. Those of more classes are divided by their sum, which is
    near 1 in float32.
    """
    if output.shape[-1] == 1:
        return np.concatenate([1 - output, output], axis=-1)
    return output / output.sum(axis=-1, keepdims=True)


def to_probabilities(logits: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """Probabilities `(images, classes)` for logits divided by a temperature.

    `logits` is `(images, units)` or, of several squares of an image, `(images, squares, units)`,
    and the probabilities are means over the squares. A temperature for each image is `(images, 1)`
    or `(images, 1, 1)`.
    """
    from scipy.special import expit, softmax  # takes long, and `predict` needs none

    scaled = logits / temperature
    is_one = scaled.shape[-1] == 1
    probabilities = class_probabilities(expit(scaled)) if is_one else softmax(scaled, axis=-1)
    return probabilities.mean(axis=1) if logits.ndim == 3 else probabilities


def predicted_classes(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """The index of each predicted class, int `(…)`, from `(…, classes)`.

    Of two classes the second is predicted from `threshold` on; without a threshold the most
    probable class is.
    """
    if threshold is None:
        return probabilities.argmax(axis=-1)
    return (probabilities[..., 1] >= threshold).astype(int)


def log_losses(actual: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The log loss of each image, from 0 on, `(images,)`; probabilities are at least 2.2e-16.

    `actual` holds indices of classes, int `(images,)`; `probabilities` are `(images, classes)`.
    """
    actual_probabilities = probabilities[np.arange(len(actual)), actual]
    return -np.log(np.maximum(actual_probabilities, np.finfo(float).eps))
