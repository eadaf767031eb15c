"""What the middle square of images leaves out. Apart from pixels.py, which decides features."""

import contextlib
import functools
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from pawprint.images.decoder import FORMATS, SUFFIXES

MAX_LEFT_OUT = 0.25  # of an image, without a line: that of 4:3


MAX_READ = 2000  # images of which `sizes_of` reads the header


def sizes_of(source: Path) -> np.ndarray:
    """Width and height of images below a folder or in a zip, evenly chosen: int `(images, 2)`.

    Only headers are read. A file that is no image is left out.
    """
    sizes: list[tuple[int, int]] = []
    with contextlib.ExitStack() as opened:
        if source.is_dir():
            paths = sorted(source.rglob("*"))
            files = {str(path): functools.partial(path.open, "rb") for path in paths}
        else:
            files = {}
            with contextlib.suppress(zipfile.BadZipFile):  # a tar, or damaged
                archive = opened.enter_context(zipfile.ZipFile(source))
                files = {name: functools.partial(archive.open, name) for name in archive.namelist()}
        images = [name for name in files if Path(name).suffix.lower() in SUFFIXES]
        for name in images[:: -(-len(images) // MAX_READ) or 1]:
            # Pillow and zips raise anything for a damaged file.
            with contextlib.suppress(Exception), files[name]() as file:
                sizes.append(Image.open(file, formats=FORMATS).size)
    return np.array(sizes, int).reshape(-1, 2)


def left_out_of(source: Path) -> float:
    """`left_out` of the images of `sizes_of`; 0 if there are none."""
    sizes = sizes_of(source)
    return left_out(*sizes.T) if len(sizes) else 0.0


def left_out(widths: np.ndarray, heights: np.ndarray) -> float:
    """The fraction, in [0, 1), of the median image that is outside of its largest middle square.

    `widths` and `heights` are in pixels, `(images,)`.
    """
    return float(np.median(1 - np.minimum(widths, heights) / np.maximum(widths, heights)))
