"""What the middle square of images leaves out. Apart from pixels.py, which decides features."""

import numpy as np

MAX_LEFT_OUT = 0.25  # of an image, without a line: that of 4:3


def left_out(widths: np.ndarray, heights: np.ndarray) -> float:
    """The fraction, in [0, 1), of the median image that is outside of its largest middle square.

    `widths` and `heights` are in pixels, `(images,)`.
    """
    return float(np.median(1 - np.minimum(widths, heights) / np.maximum(widths, heights)))
