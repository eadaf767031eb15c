"""Find the images in a folder."""

import os
import sys
from collections.abc import Container, Sequence
from pathlib import Path

from pawprint.base.errors import counted, printable
from pawprint.base.files import walk
from pawprint.data.names import count_suffixes, is_image_name


def take_images(folder: Path, names: Sequence[str], table: Container[str] = ()) -> list[str]:
    """Return the images among these files in a folder and report the other files on stderr.

    Files listed in `table` are images, whatever their suffix.
    """
    images = [name for name in names if name in table or is_image_name(name)]
    if others := sorted(set(names).difference(images)):
        line = f"{counted(len(others), 'other file')} ({count_suffixes(others)})"
        print(f"{printable(str(folder))}: {line}", file=sys.stderr)
    return images


def names_below(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, following links, sorted by path component.

    Folders that are not searched are listed on stderr.
    """
    left_out: list[tuple[Path, str]] = []
    files = sorted(walk(folder, lambda path, why: left_out.append((path, why))))
    for path, why in left_out:
        print(f"{printable(str(path))}: not searched: {why}", file=sys.stderr)
    return [path.relative_to(folder).as_posix() for path in files]


def find_images(paths: list[Path]) -> list[Path]:
    """Return the given files, and all images in the given folders, sorted."""
    images = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            images += [path / name for name in take_images(path, names_below(path))] or [path]
        else:
            images.append(path)
    return images
