"""The files of a folder: their names in the archives, and which archive takes which."""

import os
import zlib
from pathlib import Path, PurePosixPath

from pawprint.core.errors import InputError, printable

MAX_FILES = 50_000  # in an archive
Files = list[tuple[str, Path]]  # the name in the archive, and the file


def folder_files(folder: Path) -> Files:
    """Every file, named by its path below the folder and sorted by it; empty folders are printed.

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
        if not folders and not files:
            print(f"fetch: {printable(parent)} is empty")
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
    return [(member_name(path.relative_to(folder).as_posix()), path) for path in found]


def parts_of(files: Files) -> list[Files]:
    """The files in their order, in parts of at most MAX_FILES: one archive each.

    If there are more, a part also ends after a file whose name has a certain hash, one of
    MAX_FILES / 2. So an added file changes the archive that it comes into, and seldom another one;
    in parts of equal size, all archives after it would change, and a remote would receive them.
    """
    if len(files) <= MAX_FILES:
        return [files]
    parts: list[Files] = [[]]
    for file in files:
        if len(parts[-1]) == MAX_FILES:
            parts.append([])
        parts[-1].append(file)
        if zlib.crc32(file[0].encode()) % (MAX_FILES // 2) == 0:
            parts.append([])
    return list(filter(None, parts))


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
