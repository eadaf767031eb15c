"""Compute a file's row of the table DECODED, from its bytes and the code here alone."""

import hashlib

from pawprint.dataset.looks import measure, perceptual_hash, reduced
from pawprint.images.archive import Archive, UnusableImageError, read_member
from pawprint.images.decoder import DecodedImage, decoding, pixels_sha256

# TensorFlow Datasets drops a file of PetImages without these letters in `peek(10)`:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
# The file is a member that zipfile opened, whose `peek` returns up to 512 bytes:
# https://github.com/python/cpython/blob/3.11/Lib/zipfile.py
JFIF = b"JFIF"
JFIF_WITHIN = 512  # bytes
PROPERTIES = DecodedImage._fields[1:4]


def key_of(origin: bytes, data: bytes) -> str:
    """Return the `key` of DECODED from the decoder's identity and a file's bytes or listed MD5."""
    digest = hashlib.sha256(origin)
    digest.update(data)
    return digest.hexdigest()


def decode_row(archive: Archive, rule: str, origin: bytes, name: str) -> dict:
    """Return the columns of a file's row that depend on its content. Raises UnusableImageError."""
    data = read_member(archive, name)
    with decoding(data, archive.bits) as (image, *properties, _):
        if rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
            raise UnusableImageError("no_jfif_header", "clean.rule is jfif")
        grey = reduced(image)  # with the same hash as the image
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
