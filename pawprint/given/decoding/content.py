"""Compute the columns of a DECODED row, which depend only on a file's bytes and this code.

A row has an image's size, its hashes, when and with which camera it was taken, and how it looks:
brightness, contrast, sharpness, entropy, and colour. Pixels are uint8 `(height, width, 3)`.
"""

import contextlib
from datetime import datetime

import cv2
import numpy as np
from PIL import ExifTags, Image

from pawprint.given.decoding import formats
from pawprint.given.decoding.decoder import DecodedImage, decoding, pixels_sha256
from pawprint.given.decoding.limits import DecodingError

cv2.setNumThreads(1)  # several images are decoded in parallel
SIDE = 256  # side of the measured square, in pixels; close to a network's input size
HASH_SIDE = 16  # bits per side of the square hash
HASHED = 64  # side of the square that is hashed
# The lowest frequencies of a discrete cosine transform. Whole numbers, whose products and sums
# float64 holds exactly, so that bits are the same on every processor.
WAVES = np.pi / HASHED * np.outer(np.arange(HASH_SIDE), np.arange(HASHED) + 0.5)
WAVES = np.round(2**12 * np.cos(WAVES))
STEP = 8  # pixels per side for each one whose colour is measured


def measure(pixels: np.ndarray) -> dict[str, str | float]:
    """Return the perceptual hash of an image of any size, and measures of its grey square.

    `brightness` is the mean value of the square and `contrast` the standard deviation, both in [0,
    255]. `sharpness` is the Laplacian's variance (Pech-Pacheco and others, Diatom autofocusing in
    brightfield microscopy, 2000). `entropy` is in bits, from 0 for a uniform image to 8. Only whole
    numbers are added, so the results are the same on every processor.
    """
    grey = _grey_square(pixels)
    # 16 bits suffice for all numbers but squares, and larger arrays take longer.
    square = np.asarray(grey, np.int16)
    inner = square[1:-1, 1:-1]
    around = square[:-2, 1:-1] + square[2:, 1:-1] + square[1:-1, :-2] + square[1:-1, 2:]
    counts = np.bincount(square.ravel(), minlength=256)
    part = counts[counts > 0] / square.size
    return {
        "perceptual_hash": _hash_of(grey),
        "brightness": round(int(square.sum()) / square.size, 1),
        "contrast": round(_variance(square) ** 0.5, 1),
        "sharpness": round(_variance(4 * inner - around), 1),
        "entropy": round(float(-(part * np.log2(part)).sum()), 2),
    }


def perceptual_hash(pixels: np.ndarray) -> str:
    """Return a bit for each of the 256 lowest frequencies: whether it is above their median.

    The bits are in hexadecimal, row by row. Nearly all equal imagehash 4.3.2's
    `phash(image, hash_size=16)`; see docs/decisions/10.
    """
    return _hash_of(_grey_square(pixels))


def measure_colour(pixels: np.ndarray) -> float:
    """Return the mean difference of a pixel's largest and smallest channel, in [0, 255]."""
    red, green, blue = np.moveaxis(pixels[::STEP, ::STEP], 2, 0)
    # For arrays as small as a pixel, `np.ptp` takes ten times as long.
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return round(float(spread.mean()), 1)


def _variance(values: np.ndarray) -> float:
    """Return the variance of whole numbers."""
    total = int(values.sum())
    squares = int(np.square(values, dtype=np.int32).sum())
    return (squares - total * total / values.size) / values.size


def _grey_square(pixels: np.ndarray) -> Image.Image:
    grey = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    return grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2)


def _hash_of(grey: Image.Image) -> str:
    lowest = WAVES @ np.asarray(grey.reduce(SIDE // HASHED)) @ WAVES.T
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


# TensorFlow Datasets drops files of PetImages that lack these letters in `peek(10)`:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
# `peek` is called on a member opened by zipfile and returns up to 512 bytes:
# https://github.com/python/cpython/blob/3.11/Lib/zipfile.py
JFIF = b"JFIF"
JFIF_WITHIN = 512  # in bytes
MAX_MODEL = 80  # in characters
PROPERTIES = DecodedImage._fields[1:4]


def read_exif(data: bytes) -> dict[str, str]:
    """Return the time at which a photo was `taken`, and the model of the `camera`, or "" for each.

    The time has milliseconds, as in 2026-08-10T10:11:12.250, in an unknown time zone.
    """
    found = {"taken": "", "camera": ""}
    with contextlib.suppress(Exception):  # damaged EXIF data, and other types than expected
        exif = formats.open_image(data).getexif()
        model = "".join(filter(str.isprintable, exif.get(ExifTags.Base.Model, "")))
        found["camera"] = model.strip()[:MAX_MODEL]
        tags = exif.get_ifd(ExifTags.IFD.Exif)
        time = datetime.strptime(tags[ExifTags.Base.DateTimeOriginal], "%Y:%m:%d %H:%M:%S")
        part = f"{tags.get(ExifTags.Base.SubsecTimeOriginal, '').strip():0<3}"[:3]
        found["taken"] = f"{time.isoformat()}.{part if part.isdecimal() else '000'}"
    return found


def decode_row(data: bytes, rule: str, bits: int | None) -> dict:
    """Return the columns that depend on a file's content. Raises DecodingError.

    `rule` is `clean.rule`, and `bits` is `clean.bits`.
    """
    with decoding(data, bits) as decoded:
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise DecodingError("no_jfif_header", "clean.rule is jfif")
        pixels = decoded.pixels
        decoded = decoded._replace(content=pixels)  # releases a Pillow image, as large again
        height, width, _ = pixels.shape
        return {
            "width": width,
            "height": height,
            "pixels_sha256": pixels_sha256(pixels),
            **read_exif(data),
            **measure(pixels),
            "colour": measure_colour(pixels),
            **dict(zip(PROPERTIES, decoded[1:])),
        }
