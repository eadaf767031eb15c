"""What a network's outputs say: probabilities of classes, and the class that is predicted.

A network of two classes has one unit, for the second; of more classes it has one unit for each.
"""

import numpy as np


def of_classes(output: np.ndarray) -> np.ndarray:
    """Probabilities `(…, classes)`, which sum to 1, from a network's, `(…, units)`.

    Those of more than two classes are divided by their sum, which is near 1 in float32.
    """
    if output.shape[-1] == 1:
        return np.concatenate([1 - output, output], axis=-1)
    return output / output.sum(axis=-1, keepdims=True)


def predicted_classes(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """The index of each predicted class, int `(…)`, from `(…, classes)`.

    Of two classes the second is predicted from `threshold` on; without a threshold the most
    probable class is.
    """
    if threshold is None:
        return probabilities.argmax(axis=-1)
    return (probabilities[..., 1] >= threshold).astype(int)
