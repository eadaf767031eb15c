"""Compute a DECODED row, which depends only on a file's bytes and this code."""

import hashlib

from pawprint.decoding.decoder import DecodedImage, decoding, pixels_sha256
from pawprint.decoding.looks import measure, perceptual_hash, reduced
from pawprint.images.archive import Archive, UnusableImageError, read_member

# TensorFlow Datasets drops files of PetImages that lack these letters in `peek(10)`:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
# `peek` is called on a member opened by zipfile and returns up to 512 bytes:
# https://github.com/python/cpython/blob/3.11/Lib/zipfile.py
JFIF = b"JFIF"
JFIF_WITHIN = 512  # in bytes
PROPERTIES = DecodedImage._fields[1:4]


def key_of(origin: bytes, data: bytes) -> str:
    """Return the DECODED `key` for the decoder's identity and a file's bytes or listed MD5."""
    digest = hashlib.sha256(origin)
    digest.update(data)
    return digest.hexdigest()


def decode_row(archive: Archive, rule: str, origin: bytes, name: str) -> dict:
    """Return the columns that depend on a file's content. Raises UnusableImageError."""
    data = read_member(archive, name)
    with decoding(data, archive.bits) as (image, *properties, _):
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise UnusableImageError("no_jfif_header", "clean.rule is jfif")
        grey = reduced(image)  # the perceptual hash stays the same
        return {
            "path": name,
            "key": key_of(origin, archive.md5_of(name) or data),
            "width": image.width,
            "height": image.height,
            "pixels_sha256": pixels_sha256(image),
            "perceptual_hash": perceptual_hash(grey),
            **measure(grey),
            **dict(zip(PROPERTIES, properties)),
        }
