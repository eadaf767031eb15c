"""The detector of unknown inputs: how far the features of an image are from those of training.

The residual of a principal component analysis, as in Wang et al., ViM: Out-Of-Distribution with
Virtual-logit Matching, 2022 (https://arxiv.org/abs/2203.10807), of features with length 1.
"""

from typing import NamedTuple

import numpy as np

SMALLEST = 1e-12  # norm to divide by, as in Keras' UnitNormalization


class Detector(NamedTuple):
    """`mean` is float32 `(channels,)`, `components` float32 `(components, channels)`.

    The components are orthogonal and have length 1.
    """

    mean: np.ndarray
    components: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """float `(…)`, from 0 on, of features `(…, channels)`.

        The features are divided by their norm. The score is the norm of what mean and components
        do not explain.
        """
        unit = unit_length(features)
        centred = unit - self.mean
        explained = centred @ self.components.T @ self.components
        return np.linalg.norm(centred - explained, axis=-1)


def unit_length(features: np.ndarray) -> np.ndarray:
    """The features `(…, channels)` divided by their norm; zeros stay zeros."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norm, SMALLEST)
