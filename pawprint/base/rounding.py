"""Round numbers before they are stored, so that every processor stores the same ones.

Processors add in different orders, so the last bits of a result differ. Two results that are close
to each other are rounded to the same number, unless a boundary lies between them. The boundaries
are therefore at least a million times as far apart as the results of two processors.
"""

import math

import numpy as np

BITS = 16


def significant(value: float, digits: int = 6) -> float:
    """Round a number to this number of significant decimal digits, six as in tables."""
    return float(f"{value:.{digits}g}")


def to_step(*arrays: np.ndarray) -> list[np.ndarray]:
    """Round float64 arrays to multiples of their `step_of`, and return them as float32.

    One step suits results whose errors are alike: a step relative to each value would be too small
    for values near 0.
    """
    step = step_of(*arrays)
    return [(np.round(array / step) * step).astype(np.float32) for array in arrays]


def step_of(*arrays: np.ndarray) -> float:
    """Return a power of two, by which the largest value of all arrays has at most BITS bits.

    If all values are smaller than 1, this is the step of 1.
    """
    largest = max(1, *(np.abs(array).max() for array in arrays))
    return math.ldexp(1, math.frexp(largest)[1] - BITS)
