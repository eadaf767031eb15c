"""Recognise the pointers that Git LFS and git-annex keep in place of large files."""

import os
from pathlib import Path

from pawprint.base.files import read_bytes

LFS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
ANNEX = b"annex/objects/"
LARGEST = 32 * 2**10  # maximum size of a git-annex pointer; Git LFS pointers are smaller
OF_LFS = "a pointer of Git LFS: run `git lfs pull` in its repository"
OF_ANNEX = "a pointer of git-annex: run `git annex get .` in its repository"


def pointer(data: bytes) -> str | None:
    """Return the kind of pointer in a file's bytes, with the command to run, or None."""
    if len(data) > LARGEST:
        return None
    if data.startswith(LFS):
        return OF_LFS
    path, *_ = data.split(b"\n", 1)
    is_annex = path.startswith((b"/" + ANNEX, b"../", b".git/")) and ANNEX in path
    return OF_ANNEX if is_annex else None


def pointer_at(path: Path) -> str | None:
    """Return the result of `pointer` for the file at a path, which may be a broken link.

    Raises OSError, with the name of the file, if it cannot be read.
    """
    if path.is_symlink() and not path.exists():
        target = os.fsencode(path.readlink()).replace(b"\\", b"/")
        return OF_ANNEX if ANNEX in target else None
    is_small = path.is_file() and path.stat().st_size <= LARGEST
    return pointer(read_bytes(path)) if is_small else None
