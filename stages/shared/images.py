"""The one decoder: what `clean` keeps is decoded by the same function wherever pixels are read."""

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Reason = Literal[
    "empty", "not_an_image", "too_large", "truncated", "damaged", "no_jfif_header", "no_class"
]
REASONS: tuple[str, ...] = get_args(Reason)

# Pillow's own threshold for a decompression bomb: a quarter of a gigabyte of RGB pixels.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS

AHEAD = 64  # results that may wait for the caller of map_in_threads


class UnusableImageError(Exception):
    """An image that cannot be used: `reason` is one of REASONS, `detail` is for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.detail = detail


def decode(data: bytes) -> Image.Image:
    """Decode the bytes of an image file to RGB, upright as its EXIF orientation says.

    Raises UnusableImageError with the reason why the bytes give no whole image.
    """
    if not data:
        raise UnusableImageError("empty", "0 bytes")
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise UnusableImageError("too_large", f"{image.width}x{image.height} pixels")
        return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        raise UnusableImageError("not_an_image", "no image format recognised") from None
    except Image.DecompressionBombError as error:
        raise UnusableImageError("too_large", str(error)) from None
    # Pillow's plugins report broken files through any of these.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError) as error:
        reason = "truncated" if "truncated" in str(error) else "damaged"
        raise UnusableImageError(reason, str(error)) from None


def resize(image: Image.Image, size: int) -> np.ndarray:
    """uint8 `(size, size, 3)`: antialiased bilinear, aspect ratio not kept, as in the tutorials."""
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """`function(item)` of each item in order, computed ahead by one thread per core.

    Decoding, warping and running a network release the interpreter's lock. Memory holds only a
    few results: the threads wait when the caller does not keep up.
    """
    pending: deque = deque()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
