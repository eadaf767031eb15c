"""Compute the columns of a DECODED row, which depend only on a file's bytes and this code.

A row has an image's size, its hashes, when and with which camera it was taken, and how it looks:
brightness, contrast, sharpness, entropy, and colour.
"""

import contextlib
from datetime import datetime

import numpy as np
from PIL import ExifTags, Image

from pawprint.data.decoding import formats
from pawprint.data.decoding.decoder import DecodedImage, decoding, pixels_sha256
from pawprint.data.decoding.jpeg import scale_for
from pawprint.data.decoding.limits import DecodingError

SIDE = 256  # side of the measured square, in pixels; close to a network's input size
HASH_SIDE = 16  # bits per side of the square hash
HASHED = 512  # minimum side of the reduced image before hashing, in pixels
STEP = 8  # pixels per side for each one whose colour is measured


def measure(grey: Image.Image) -> dict[str, float]:
    """Measure the appearance of a grey image of any size.

    `brightness` is the mean value of the square and `contrast` the standard deviation, both in [0,
    255]. `sharpness` is the Laplacian's variance (Pech-Pacheco and others, Diatom autofocusing in
    brightfield microscopy, 2000). `entropy` is in bits, from 0 for a uniform image to 8. Only whole
    numbers are added, so the results are the same on every processor.
    """
    # 16 bits suffice for all numbers but squares, and larger arrays take longer.
    square = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.int16)
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


def measure_colour(image: Image.Image) -> float:
    """Return the mean difference of a pixel's largest and smallest channel, in [0, 255]."""
    pixels = np.asarray(image)[::STEP, ::STEP]
    return round(float(np.ptp(pixels, axis=2).mean()), 1) if pixels.ndim == 3 else 0.0


def _variance(values: np.ndarray) -> float:
    """Return the variance of whole numbers."""
    total = int(values.sum())
    squares = int(np.square(values, dtype=np.int32).sum())
    return (squares - total * total / values.size) / values.size


def perceptual_hash(image: Image.Image) -> str:
    """Return a bit for each of the 256 lowest frequencies: whether it is above their median.

    The bits are in hexadecimal, row by row. For the square, imagehash 4.3.2 returns the same value
    as `phash(image, hash_size=16)`; see docs/decisions/10.
    """
    from scipy.fft import dctn  # imported here because it is slow and often not needed

    side = 4 * HASH_SIDE
    square = _grey(reduced(image)).resize((side, side), Image.Resampling.LANCZOS)
    lowest = dctn(np.asarray(square))[:HASH_SIDE, :HASH_SIDE]
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def reduced(image: Image.Image) -> Image.Image:
    """Return a large image reduced; both sides keep at least HASHED pixels."""
    scale = scale_for(image.size, HASHED)
    return image.reduce(scale) if scale > 1 else image  # Pillow would copy it


def _grey(image: Image.Image) -> Image.Image:
    return image if image.mode == "L" else image.convert("L")


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
    with decoding(data, bits) as (image, *properties, _):
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise DecodingError("no_jfif_header", "clean.rule is jfif")
        small = reduced(image)
        grey = _grey(small)  # the perceptual hash stays the same
        return {
            "width": image.width,
            "height": image.height,
            "pixels_sha256": pixels_sha256(image),
            "perceptual_hash": perceptual_hash(grey),
            **read_exif(data),
            **measure(grey),
            "colour": measure_colour(small),
            **dict(zip(PROPERTIES, properties)),
        }
