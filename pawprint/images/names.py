"""Which files of a folder or an archive are images, by their names."""

import posixpath
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from pawprint.errors import printable

# Those that Pillow has for the formats of the decoder; to import Pillow takes long.
SUFFIXES = {
    *(".apng", ".avif", ".avifs", ".bmp", ".bw", ".dds", ".gif", ".heic", ".heics", ".heif"),
    *(".heifs", ".hif", ".icb", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf"),
    *(".jpg", ".jpx", ".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi"),
    *(".ras", ".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp"),
}
ACCEPTED = f"Names of images end in {', '.join(sorted(SUFFIXES))}."
SHOWN = 12  # suffixes in a line
# Folders that systems make for copies, thumbnails and deleted files, in lower case. Hidden folders,
# such as .Trash-1000, .Spotlight-V100 and .ipynb_checkpoints, need no entry.
FOLDERS_OF_SYSTEMS = {
    *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
    *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
    *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows
    *("__macosx", "network trash folder", "temporary items"),  # macOS
    *("lost+found", "lost.dir"),  # Linux, Android
}
PLACEHOLDER = ".icloud"  # a hidden file in place of one that is in Apple's cloud only


def is_image_name(name: str) -> bool:
    """Whether a path in a folder or archive has the suffix of an image, and nothing sets it apart.

    That is a hidden file or folder, or one of FOLDERS_OF_SYSTEMS. Files that a table or a user
    names one by one are images, whatever their names.
    """
    is_apart = _is_hidden(name) or is_of_system(name)
    return not is_apart and posixpath.splitext(name)[1].lower() in SUFFIXES


def is_of_system(name: str) -> bool:
    """Return whether a file lies in one of FOLDERS_OF_SYSTEMS."""
    return not FOLDERS_OF_SYSTEMS.isdisjoint(name.lower().split("/")[:-1])


def count_suffixes(names: Iterable[str]) -> str:
    """Such as "40 .eps, 2 hidden, 1 without a suffix", the most frequent first, at most SHOWN."""
    counts = Counter(map(_kind_of, names))
    return ", ".join(f"{times:,} {printable(kind)}" for kind, times in counts.most_common(SHOWN))


def _kind_of(name: str) -> str:
    if is_of_system(name):
        return "in folders of systems"
    if _is_hidden(name) and not name.endswith(PLACEHOLDER):
        return "hidden"
    return PurePosixPath(name).suffix.lower() or "without a suffix"


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != "." for part in name.split("/"))
