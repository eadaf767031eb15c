"""Measure how an image looks: perceptual hash, brightness, contrast, sharpness and entropy."""

import numpy as np
from PIL import Image

from pawprint.images.formats import scale_for

SIDE = 256  # pixels of the measured square, similar to network inputs
HASH_SIDE = 16  # the hash has this number squared bits
HASHED = 512  # minimal side, in pixels, of the reduced image to hash


def measure(grey: Image.Image) -> dict[str, float]:
    """Return how a grey image of any size looks.

    `brightness` is the mean of the square's values, and `contrast` their deviation, in [0, 255].
    `sharpness` is the variance of the Laplacian (Pech-Pacheco and others, Diatom autofocusing in
    brightfield microscopy, 2000), `entropy` is in bits, from 0 for one grey to 8. Whole numbers are
    summed, so the results are the same on every processor.
    """
    square = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.int64)
    inner = square[1:-1, 1:-1]
    around = square[:-2, 1:-1] + square[2:, 1:-1] + square[1:-1, :-2] + square[1:-1, 2:]
    counts = np.bincount(square.ravel(), minlength=256)
    part = counts[counts > 0] / square.size
    return {
        "brightness": round(int(square.sum()) / square.size, 1),
        "contrast": round(_variance(square) ** 0.5, 1),
        "sharpness": round(_variance(4 * inner - around), 1),
        "entropy": round(float(-(part * np.log2(part)).sum()), 2),
    }


def _variance(values: np.ndarray) -> float:
    """Return the variance of whole numbers."""
    total = int(values.sum())
    return (int((values**2).sum()) - total * total / values.size) / values.size


def perceptual_hash(image: Image.Image) -> str:
    """Return one bit for each of the lowest 256 frequencies: whether it is above their median.

    The bits are in hexadecimal, row by row. imagehash 4.3.2 gives the same for the square, as
    `phash(image, hash_size=16)`: docs/decisions/10.
    """
    from scipy.fft import dctn  # slow to import, and most runs of `clean` hash few images

    side = 4 * HASH_SIDE
    square = reduced(image).resize((side, side), Image.Resampling.LANCZOS)
    lowest = dctn(np.asarray(square))[:HASH_SIDE, :HASH_SIDE]
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def reduced(image: Image.Image) -> Image.Image:
    """Return the image in grey; large images are reduced to sides of HASHED pixels or more."""
    return image.reduce(scale_for(image.size, HASHED)).convert("L")
