"""Pointers: what Git LFS and git-annex leave in the place of a file whose content they hold.

Git LFS: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md. git-annex has a link, or a file
with the path of one: https://git-annex.branchable.com/internals/pointer_file/
"""

import os
from pathlib import Path

LFS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
ANNEX = b"annex/objects/"
MAX_BYTES = 32 * 2**10  # of a pointer of git-annex; those of Git LFS are smaller
OF_LFS = "a pointer of Git LFS: run `git lfs pull` in its repository"
OF_ANNEX = "a pointer of git-annex: run `git annex get .` in its repository"


def pointer(data: bytes) -> str | None:
    """Return what the bytes of a file are if they are a pointer, and what to run; or else None."""
    if len(data) > MAX_BYTES:
        return None
    if data.startswith(LFS):
        return OF_LFS
    path, *_ = data.split(b"\n", 1)
    is_annex = path.startswith((b"/" + ANNEX, b"../", b".git/")) and ANNEX in path
    return OF_ANNEX if is_annex else None


def pointer_at(path: Path) -> str | None:
    """Return the same of the file at a path, which may be a link that leads nowhere."""
    if path.is_symlink() and not path.exists():
        target = os.fsencode(path.readlink()).replace(b"\\", b"/")
        return OF_ANNEX if ANNEX in target else None
    is_small = path.is_file() and path.stat().st_size <= MAX_BYTES
    return pointer(path.read_bytes()) if is_small else None
