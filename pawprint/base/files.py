"""Write files completely or not at all, with the same bytes on every platform, and name them.

Python reports the name of a file that cannot be opened, but not of a file that fails later, because
of a failing disk, an offline cloud drive or a full disk. Files that users may have to check are
therefore opened here.
"""

import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import re
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pawprint.base.errors import InputError, printable, reason
from pawprint.base.rounding import significant

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


Parsed = TypeVar("Parsed")
OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")  # path of an object in DVC's cache
OF_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")  # files that file managers create


def is_link_of_dvc(path: Path) -> bool:
    """Return whether this is a symbolic link to an object, possibly missing, in a DVC cache.

    With `cache.type` symlink, DVC replaces tracked files with such links. All versions of DVC name
    objects after their MD5, wherever the cache is.
    """
    if not path.is_symlink():
        return False
    target = Path(os.path.realpath(path))
    return bool(OBJECT.fullmatch("/".join(target.parts[-2:])))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a temporary name next to `path` for a file or folder, renamed to `path` at the end.

    If the block raises an exception, `path` is unchanged and the temporary file is removed. The
    next process removes leftovers of a killed process, so processes that may write the same path at
    the same time need a lock. Errors are converted to InputError as in `writing`.

    If `path` is a link, its target is replaced, because people link tables to another drive. DVC's
    links are replaced themselves, because its cache must never be changed. The other names of a
    hard link keep the old content.
    """
    if path.is_symlink() and not is_link_of_dvc(path):
        path = Path(os.path.realpath(path))
    partial = path.with_name(f".{path.stem}.part{path.suffix}")
    with writing(path, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        try:
            yield partial
            if partial.is_dir():
                _remove(path)
            partial.replace(path)
        finally:
            _remove(partial)


@contextlib.contextmanager
def writing(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Convert file system errors in the block, such as a full disk, to InputError.

    The message contains `path`, or the file that could not be read. The block writes `path`, or
    `partial`, which is later renamed to `path`.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # errors of Pillow and requests are also OSErrors
            raise
        file = Path(os.fsdecode(error.filename or path))
        is_ours = file in (path, *path.parents) or partial in (file, *file.parents)
        error.filename = path if is_ours else file
        raise InputError(describe_failure(error, "write" if is_ours else "read")) from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """Read a user's UTF-8 file. Raises InputError if it is missing or not text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable text file. Received: {error}") from None


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, keeping the line endings of `text`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, record: dict | list) -> None:
    """Write dicts and lists of numbers and strings, with six significant digits for floats.

    Raises ValueError for NaN, which DVC drops.
    """
    text = json.dumps(_rounded(record), indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def _rounded(value: object) -> object:
    """Round the floats in nested dicts, lists and tuples, as `write_json` does."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return significant(value) if isinstance(value, float) else value


def parse_file(path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """Parse the bytes of a file that was written by a stage.

    Raises InputError if the file cannot be read, or if `parse` raises ValueError with "expected …".
    """
    try:
        return parse(read_bytes(path))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. Run `dvc pull` to fetch it, or `dvc repro` to make it."
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}. Run `dvc repro` to make it again.") from None


def read_json(path: Path) -> Any:
    """Return the content of a file written by `write_json`. Raises InputError like `parse_file`."""
    return parse_file(path, _parse_json)


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"expected JSON. Received: {error}") from None


# The earliest possible date in a zip. It is fixed so that equal contents result in equal bytes.
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def pack(path: Path, contents: Iterable[tuple[str, bytes | Path]], appends: bool = False) -> None:
    """Write (member name, bytes or file) pairs to a zip in this order, or append them to its end.

    Members are not compressed, because images already are. A name may occur twice. Only a part of a
    file is in memory at once.
    """
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a" if appends else "w") as archive:
        warnings.filterwarnings("ignore", "Duplicate name")  # `clean` rejects such members
        for name, data in contents:
            member = zipfile.ZipInfo(name, FIXED_DATE)
            member.create_system = 3  # always Unix, so that all systems write the same bytes
            if isinstance(data, bytes):
                archive.writestr(member, data)
                continue
            member.file_size = data.stat().st_size  # from 2 GB, the member needs another header
            with open_binary(data) as file, naming(path), archive.open(member, "w") as out:
                out.writelines(_parts_of(file, data))


def write_arrays(path: Path, *arrays: np.ndarray, **arrays_by_name: np.ndarray) -> None:
    """Write a .npz file with the same bytes for the same arrays; `arrays` are called arr_0, ….

    Headers that `np.savez` writes depend on the third number of Python's version.
    """
    named = {f"arr_{number}": array for number, array in enumerate(arrays)} | arrays_by_name
    members = {name: io.BytesIO() for name in named}
    for name, file in members.items():
        np.save(file, named[name])
    with replacing(path) as partial:
        pack(partial, ((f"{name}.npy", file.getvalue()) for name, file in members.items()))


def read_arrays(path: Path, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read the arrays that `write_arrays` wrote, keyed by name.

    Raises InputError if the file is missing or damaged, or if the arrays do not have these `names`.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
        if names and set(arrays) != set(names):
            raise ValueError(", ".join(arrays))
        return arrays
    except Exception as error:  # NumPy may raise any exception for a damaged file
        raise InputError(
            f"{path}: expected the arrays {' and '.join(names) or 'of NumPy'}. Received: "
            f"{reason(error)}. Run `dvc repro`."
        ) from None


def walk(folder: Path, leave_out: Callable[[Path, str], None]) -> Iterator[Path]:
    """Yield everything below a folder except the folders, following links to folders.

    `leave_out` is called with each folder that is not searched and the reason: the folder cannot be
    read, or it is a link to one of its parents.
    """
    errors: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=errors.append, followlinks=True):
        yield from (Path(parent, name) for name in names)
        for path in [Path(parent, name) for name in folders]:
            if path.is_symlink() and path.resolve() in map(Path.resolve, path.absolute().parents):
                folders.remove(path.name)
                leave_out(path, "a link to one of its parent folders")
    for error in errors:
        leave_out(Path(error.filename), error.strerror or "")


def md5(path: Path) -> str:
    """Return the MD5 of a file as in dvc.lock. Raises InputError if it cannot be read."""
    try:
        return digest(path, "md5")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. Run `dvc repro`.") from None


def md5_of_folder(folder: Path) -> str:
    """Return the hash of a folder as in dvc.lock, ignoring OF_SYSTEMS as in .dvcignore."""
    below = (path for path in folder.rglob("*") if path.name not in OF_SYSTEMS)
    paths = sorted(path for path in below if path.is_file())
    files = [{"md5": md5(path), "relpath": path.relative_to(folder).as_posix()} for path in paths]
    record = json.dumps(files, sort_keys=True).encode()
    return f"{md5_of(record)}.dir"


def md5_of(content: bytes) -> str:
    """Return the MD5 of a file with this content, as in dvc.lock."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal hash of a file of any size. Raises OSError if it is unreadable."""
    with open_binary(path) as file:
        new = functools.partial(hashlib.new, algorithm, usedforsecurity=False)
        return hashlib.file_digest(file, new).hexdigest()


def stamps(path: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and the time of the last change, in ns, for a file or all files in a folder.

    Compiled modules are left out.

    This detects changes of content, name and mode. Programs that preserve the modification time,
    such as `cp -p`, `rsync -t`, `mv` and `tar`, do not preserve this time. On Windows and on some
    network drives, it does not exist, so a file with the same size and modification time goes
    unnoticed there. On every system, a change after the end of a stage but before DVC computes
    hashes goes unnoticed.
    """
    below = (Path(parent, name) for parent, _, names in os.walk(path) for name in names)
    times = {}
    for file in (path, *below):
        with contextlib.suppress(OSError):  # for example, an editor has removed its temporary file
            status = file.stat()
            if stat.S_ISREG(status.st_mode) and "__pycache__" not in file.parts:
                times[file] = (status.st_size, max(status.st_mtime_ns, status.st_ctime_ns))
    return times


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
