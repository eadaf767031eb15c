"""Unpack a zip or tar from an untrusted source into a folder."""

import contextlib
import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from pawprint.base.errors import InputError
from pawprint.base.files import writing
from pawprint.given.archive import (
    Archive,
    UnusableImageError,
    describe_encoding,
    members,
    open_archive,
    read_member,
)
from pawprint.given.folders import NOT_ON_WINDOWS
from pawprint.given.names import describe_unsafe, problem_of_name
from pawprint.given.tar import describe_left_out, is_tar, tar_files

GB = 10**9
MAX_GROWTH = 100  # unpacked bytes for each byte of an archive, above 1 GB
# Errors for a name that this computer cannot write, or that is both a file and a folder.
OF_NAMES = {
    *(errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR),
}


def unpack(path: Path, folder: Path) -> list[str]:
    """Write the files of a zip or tar to an empty folder. Return lines about those left out.

    These are files that `read_member` refuses or `tar_files` leaves out, files whose names this
    computer cannot write, and all but one of those whose names differ only in case, or not at all.

    Raises InputError if no image has a safe name, if no file can be unpacked, if less than 1 GB of
    the disk would remain free, if the files have more than 1 GB and MAX_GROWTH times the size of
    the archive, and for the same reasons as `open_archive` and `tar_files`.
    """
    left = max(GB, MAX_GROWTH * path.stat().st_size)
    name_of: dict[str, str] = {}  # by the form that ignores case
    left_out: dict[str, list[str]] = defaultdict(list)
    with contextlib.nullcontext() if is_tar(path) else open_archive(path) as archive:
        for name, data in _usable(path, archive, left_out):
            left -= len(data)
            if left < 0:
                raise InputError(
                    f"{path}: expected photos. Received: more than {MAX_GROWTH} times the size of "
                    "the archive, as in a zip bomb. If you trust it, unpack it and use the folder."
                )
            key = normalize("NFC", name).casefold()
            if key in name_of:
                left_out["named as another one, perhaps in another case"].append(name)
            if name_of.setdefault(key, name) == name and not _write(folder, name, data):
                left_out["with a name that this computer cannot write"].append(name)
        notes = [*filter(None, [archive and describe_encoding(archive)])]
    if problem := describe_unsafe(sorted({*name_of.values()}.union(*left_out.values()))):
        raise InputError(f"{path}: {problem}")
    notes += describe_left_out(left_out)
    if not any(folder.iterdir()):
        raise InputError(f"{path}: expected images. Received: {'; '.join(notes) or 'no files'}.")
    return notes


def _usable(
    path: Path, archive: Archive | None, left_out: dict[str, list[str]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each usable file of a zip, which is open, or of a tar.

    The names of the others are added to `left_out`, keyed by the reason.
    """
    listed = ((name, b"") for name in members(archive)) if archive else tar_files(path, left_out)
    for name, data in listed:
        try:
            if problem := problem_of_name(name):
                raise UnusableImageError("unsafe_name", problem)
            yield name, read_member(archive, name) if archive else data
        except UnusableImageError as error:
            left_out[error.reason.replace("_", " ")].append(name)


def _write(folder: Path, name: str, data: bytes) -> bool:
    """Write a file below a folder. Return False if this computer does not allow the name.

    Raises InputError if the file cannot be written, or if less than 1 GB would remain free.
    """
    if os.name == "nt" and NOT_ON_WINDOWS.search(name):
        return False
    if shutil.disk_usage(folder).free - len(data) < GB:
        raise InputError(
            f"{folder}: cannot unpack: less than 1 GB of the disk would remain free. Free space, "
            "or create the project on another disk."
        )
    path = folder / name
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            if error.errno not in OF_NAMES:
                raise
            return False
    return True
