"""The one decoder: what `clean` keeps is decoded by the same function wherever pixels are read."""

import io
import itertools
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


def map_batches(
    function: Callable, items: Iterable, batch_size: int, ahead: int = 2
) -> Iterator[list]:
    """Lists of `function(item)` in order, computed by one thread per core `ahead` batches early.

    Decoding and warping release the interpreter's lock, so they run beside each other and beside
    the network that uses the batches, and memory holds only the batches ahead.
    """
    remaining = iter(items)
    pending: deque = deque()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        while True:
            while len(pending) <= ahead:
                batch = list(itertools.islice(remaining, batch_size))
                if not batch:
                    break
                pending.append([threads.submit(function, item) for item in batch])
            if not pending:
                return
            yield [future.result() for future in pending.popleft()]
