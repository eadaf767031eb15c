"""Compute the columns of a DECODED row, which depend only on a file's bytes and this code."""

from pawprint.decoding.decoder import DecodedImage, decoding, pixels_sha256
from pawprint.decoding.limits import DecodingError
from pawprint.decoding.looks import measure, perceptual_hash, reduced

# TensorFlow Datasets drops files of PetImages that lack these letters in `peek(10)`:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
# `peek` is called on a member opened by zipfile and returns up to 512 bytes:
# https://github.com/python/cpython/blob/3.11/Lib/zipfile.py
JFIF = b"JFIF"
JFIF_WITHIN = 512  # in bytes
PROPERTIES = DecodedImage._fields[1:4]


def decode_row(data: bytes, rule: str, bits: int | None) -> dict:
    """Return the columns that depend on a file's content. Raises DecodingError.

    `rule` is `clean.rule`, and `bits` is `clean.bits`.
    """
    with decoding(data, bits) as (image, *properties, _):
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise DecodingError("no_jfif_header", "clean.rule is jfif")
        grey = reduced(image)  # the perceptual hash stays the same
        return {
            "width": image.width,
            "height": image.height,
            "pixels_sha256": pixels_sha256(image),
            "perceptual_hash": perceptual_hash(grey),
            **measure(grey),
            **dict(zip(PROPERTIES, properties)),
        }
