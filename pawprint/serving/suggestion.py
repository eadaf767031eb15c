"""Which images without a label to label first: uncertain ones, unlike each other and labelled ones.

Greedy k-center (Sener and Savarese, Active Learning for Convolutional Neural Networks: A Core-Set
Approach, 2018, https://arxiv.org/abs/1708.00489), in which the distance of an image to the nearest
labelled or chosen one is multiplied by its uncertainty. `python -m bench.suggest` measures it.
"""

import numpy as np
from scipy.sparse import csr_array

SMALLEST = 0.01  # uncertainty, so that images of which the model is certain differ by distance
BLOCK = 1024  # images compared at a time with labelled ones


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """1 less the margin between the two largest of probabilities `(…, classes)`.

    Float `(…)`, from SMALLEST to 1. The margin is that of Scheffer, Decomain and Wrobel, Active
    Hidden Markov Models for Information Extraction, 2001.
    """
    second, first = np.moveaxis(np.sort(probabilities)[..., -2:], -1, 0)
    return np.maximum(1 - (first - second), SMALLEST)


def choose(
    features: np.ndarray,
    weight: np.ndarray,
    labelled: np.ndarray,
    alike: csr_array,
    number: int,
    is_limited: np.ndarray,
    limit: int,
) -> np.ndarray:
    """The positions of at most `number` images, the best first; of equal ones, the first.

    Each has the largest product of `weight`, `(images,)`, and distance to the nearest of `labelled`
    and of the images chosen before. The distance is 1 less the cosine of features, float32
    `(images, channels)` of length 1. `labelled` are features, too; there may be none. An image is
    left out if `alike`, bool `(images, images)`, pairs it with one chosen before. At most `limit`
    of the images `is_limited`, bool `(images,)`, are chosen.
    """
    cosine = np.full(len(features), -1, np.float32)  # to the nearest
    for start in range(0, len(features) if len(labelled) else 0, BLOCK):
        block = slice(start, start + BLOCK)
        cosine[block] = (features[block] @ labelled.T).max(axis=1)
    is_open, chosen = np.ones(len(features), bool), []
    while True:
        if is_limited[chosen].sum() >= limit:
            is_open &= ~is_limited
        if len(chosen) >= number or not is_open.any():
            return np.array(chosen, int)
        best = int(np.where(is_open, weight * (1 - cosine), -1).argmax())
        chosen.append(best)
        is_open[best] = is_open[alike[[best]].indices] = False
        cosine = np.maximum(cosine, features @ features[best])
