"""The files of a folder, in the order and under the names that they have in a zip."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pawprint.core.errors import InputError, printable


def folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(path below the folder, bytes) of every file, sorted by path, one at a time.

    Raises InputError for an empty folder, and for an entry that is neither file nor folder. A link
    is such an entry, because what it leads to may lie outside the folder and be private.
    """

    def refuse(error: OSError) -> None:
        raise InputError(
            f"fetch.source: expected folders that can be read. Received: "
            f"{printable(str(error.filename))}: {error.strerror}"
        )

    found = []
    for parent, folders, files in os.walk(folder, onerror=refuse):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        found += [Path(parent, name) for name in (*links, *files)]
    found.sort(key=lambda path: path.relative_to(folder).as_posix())
    if not found:
        raise InputError(f"fetch.source: expected images in {folder}. Received: an empty folder.")
    for path in found:
        is_link = path.is_symlink()
        if is_link or not path.is_file():
            kind = "a link. Put a copy in its place" if is_link else "neither. Remove it"
            raise InputError(
                f"fetch.source: expected files and folders. Received: {printable(str(path))}, "
                f"which is {kind}."
            )
        yield member_name(path.relative_to(folder).as_posix()), path.read_bytes()


def member_name(path: str) -> str:
    """The name in the zip of a path with slashes: without ./, and text.

    A name that is not UTF-8 is read as cp437, as in a zip.
    """
    name = PurePosixPath(path).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp437")
    return name
