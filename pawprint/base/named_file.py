"""Open files whose errors include their names and give advice on file errors.

Python reports the name of a file that cannot be opened, but not of a file that fails later, because
of a failing disk, an offline cloud drive or a full disk. Files that users may have to check are
therefore opened here.
"""

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path

from pawprint.base.errors import InputError, printable

# These errors only occur when writing.
NO_ROOM = {errno.EFBIG, errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
# Advice for each error number.
ADVICE = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Check the permissions"),
    **dict.fromkeys(NO_ROOM, "Free space, or choose another folder"),
    errno.ENAMETOOLONG: "Choose shorter names",
    errno.ENOENT: "Check the path; if it is a link, connect the drive that it points to",
    errno.ENOLCK: "Mount the drive with file locks, or move the project to another one",
    errno.EMFILE: "Raise the limit, such as with `ulimit -n 4096`",
}
PART = 2**20  # bytes that are copied at once
CHECK = "Check the disk or the connection. If the file is only in the cloud, download it first"


def describe_failure(error: OSError, action: str = "read or write") -> str:
    """Describe an error that includes a file name: action, file, reason, and what to do."""
    name = error.filename
    name = printable(os.fsdecode(name) if isinstance(name, bytes) else str(name))
    advice = ADVICE.get(error.errno or 0, CHECK)
    return f"cannot {action} {name}: {error.strerror}. {advice}."


@contextlib.contextmanager
def naming(name: str | Path) -> Iterator[None]:
    """Add the name of a file to file system errors in the block that have no name."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(name)
        raise


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Raise InputError for a named file that cannot be read. The block must not write."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        raise InputError(describe_failure(error, "read")) from None


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError that names it."""
    with naming(path):
        return path.read_bytes()


@contextlib.contextmanager
def open_binary(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file to read. In the block, file system errors without a name get its name."""
    with naming(path), path.open("rb") as file:
        yield file


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of a file. Raises OSError that names the file that cannot be read or written.

    `shutil.copyfile` names the file that it reads in both cases.
    """
    with open_binary(source) as read, naming(target), target.open("wb") as written:
        written.writelines(_parts_of(read, source))


def _parts_of(file: io.BufferedReader, path: Path) -> Iterator[bytes]:
    with naming(path):
        while part := file.read(PART):
            yield part
