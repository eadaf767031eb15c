"""The formats that are read, and which files of a folder or archive are images by their names."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import pi_heif
from PIL import Image

from pawprint.errors import printable

# Tried in this order; TGA has no signature. Pillow reads more formats, but some run other programs
# (EPS: Ghostscript), hold an image of another size than they say (ICO), or have no limit (FITS).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF")
FORMATS += ("PPM", "JPEG2000", "PCX", "SGI", "SUN", "PSD", "DDS", "QOI", "TGA")
# HEIC, the format of phones; one thread, because images are decoded in parallel.
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)
SUFFIXES = {suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS}
ACCEPTED = f"Names of images end in {', '.join(sorted(SUFFIXES))}."
SHOWN = 12  # suffixes in a line


def is_image_name(name: str) -> bool:
    """Whether a path in a folder or archive is not hidden and has the suffix of an image.

    Files that a table or a user names one by one are images, whatever their names.
    """
    return not _is_hidden(name) and PurePosixPath(name).suffix.lower() in SUFFIXES


def count_suffixes(names: Iterable[str]) -> str:
    """Such as "40 .eps, 2 hidden, 1 without a suffix", the most frequent first, at most SHOWN."""
    found = Counter(
        "hidden" if _is_hidden(name) else PurePosixPath(name).suffix.lower() or "without a suffix"
        for name in names
    )
    return ", ".join(f"{times:,} {printable(each)}" for each, times in found.most_common(SHOWN))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)
