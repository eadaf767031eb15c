"""Read and decode images, with errors that say which file cannot be used, and why."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pawprint.base.errors import InputError
from pawprint.base.files import pointer, pointer_at
from pawprint.given.archive import Archive, UnusableImageError, read_member
from pawprint.given.decoding import decoder
from pawprint.given.decoding.decoder import DecodedImage, decoding, pixels_sha256
from pawprint.given.decoding.limits import MAX_BYTES, DecodingError


@contextlib.contextmanager
def usable(data: bytes = b"") -> Iterator[None]:
    """Raise UnusableImageError if the block cannot decode an image, or if `data` are a pointer."""
    if found := pointer(data):
        raise UnusableImageError("no_content", found)
    try:
        yield
    except DecodingError as error:
        raise UnusableImageError(error.reason, error.detail) from None


def decode(data: bytes, bits: int | None = None, side: int | None = None) -> Image.Image:
    """Return only the image from `decode_file`."""
    return decode_file(data, bits, side).image


def decode_file(data: bytes, bits: int | None, side: int | None = None) -> DecodedImage:
    """Decode like the decoder's `decoding`, without a block. Raises UnusableImageError."""
    with usable(data), decoding(data, bits, side) as decoded:
        return decoded


def to_upright_rgb(image: Image.Image) -> Image.Image:
    """Return the result of the decoder's `to_upright_rgb`. Raises UnusableImageError."""
    with usable():
        return decoder.to_upright_rgb(image)


def sha256_of_all_pixels(decoded: DecodedImage, data: bytes, bits: int | None) -> str:
    """Return `pixels_sha256` of the full image, even if `decoded` is smaller."""
    if decoded.scale == 1:
        return pixels_sha256(decoded.pixels)
    with usable(), decoding(data, bits) as whole:
        return pixels_sha256(whole.pixels)


def open_image(archive: Archive, name: str, side: int | None = None) -> Image.Image:
    """Decode an image that `clean` kept to RGB. Raises InputError if this fails."""
    try:
        return decode(read_member(archive, name), archive.bits, side)
    except (KeyError, UnusableImageError) as error:
        raise InputError(
            f"{archive.filename}: expected {name} to be the image that `clean` kept. Received: "
            f"{error}. Run `dvc repro`."
        ) from None


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file for `decode`, which rejects more than MAX_BYTES.

    Raises OSError, or ValueError for a path that is invalid on every system.
    """
    if path.is_dir():
        raise OSError("no image files in this folder")
    if found := None if path.exists() else pointer_at(path):
        raise OSError(found)
    if path.exists() and not path.is_file():  # reading a device or a pipe may never end
        raise OSError("not a file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def read_again(path: Path, name: str, bits: int | None, side: int | None) -> Image.Image:
    """Decode a file again to RGB. Raises InputError, with the name of the file, if this fails."""
    try:
        return decode(read_file(path), bits, side)
    except (OSError, UnusableImageError) as error:
        raise InputError(f"{name}: cannot read the image again: {error}") from None
