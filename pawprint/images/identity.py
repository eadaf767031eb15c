"""What an image is, whatever its file and its path."""

import hashlib

from PIL import Image


def pixels_sha256(image: Image.Image) -> str:
    """The same for images that decode to the same RGB pixels, whatever their files."""
    return hashlib.sha256(f"{image.width}x{image.height}:".encode() + image.tobytes()).hexdigest()
