"""Files: written whole or not at all, with the same bytes on every platform; YAML; hashes."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from ruamel.yaml import YAML, YAMLError

from pawprint.errors import InputError, printable, reason

Parsed = TypeVar("Parsed")
# Errors of writing only.
NO_ROOM = (errno.EFBIG, errno.ENOSPC, errno.EROFS)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` for a file or folder, renamed to `path` at the end.

    After an exception in the block, `path` is as before and the temporary one is removed; what a
    killed process leaves is removed by the next one. So two processes that may write a path at once
    need a lock. Errors of the file system, such as a full disk, raise InputError that names `path`,
    or the file that could not be read.
    """
    partial = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        try:
            yield partial
            if partial.is_dir():
                _remove(path)
            partial.replace(path)
        finally:
            _remove(partial)
    except OSError as error:
        if error.errno is None:  # as of Pillow and requests, whose errors are OSErrors too
            raise
        about = Path(os.fsdecode(error.filename or path))
        ours = about in (path, *path.parents) or partial in (about, *about.parents)
        ours |= error.errno in NO_ROOM  # a copy names the file that it reads
        expected = f"{path}: expected to write it" if ours else f"{about}: expected to read it"
        raise InputError(
            printable(f"{expected}. Received: {error.strerror}. Check permissions and free space.")
        ) from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """A UTF-8 file of the user's. Raises InputError if it is missing or something else."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable text file. Received: {error}") from None


def write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, record: dict | list) -> None:
    """Write dicts and lists of numbers and strings. NaN raises ValueError: DVC would drop it."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def parse_file(path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
    """What `parse` makes of the bytes of a file that a stage wrote.

    Raises InputError if the file cannot be read, or `parse` raises ValueError: "expected …".
    """
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. Run `dvc pull` to fetch it, or `dvc repro` to make it."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be read. Received: {error.strerror}"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: {error}. Run `dvc repro` to make it again.") from None


def read_json(path: Path) -> dict | list:
    """What `write_json` wrote. Raises InputError as `parse_file`."""
    return parse_file(path, _parse_json)


def _parse_json(content: bytes) -> dict | list:
    try:
        return json.loads(content)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"expected JSON. Received: {error}") from None


# The earliest date of a zip; a fixed one, so that equal contents give equal bytes.
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def pack(path: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, bytes) pairs to a zip in the order given.

    Members are stored without compression: images are already compressed. A name may occur twice.
    """
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        warnings.filterwarnings("ignore", "Duplicate name")  # `clean` rejects them
        for name, data in contents:
            member = zipfile.ZipInfo(name, FIXED_DATE)
            member.create_system = 3  # Unix, whatever the system: it is part of the bytes
            archive.writestr(member, data)


def write_arrays(path: Path, *arrays: np.ndarray, **named: np.ndarray) -> None:
    """Write a .npz file with the same bytes for the same arrays; NumPy names them arr_0, …"""
    with replacing(path) as partial:
        np.savez(partial, *arrays, **named)


def read_arrays(path: Path, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote, by name.

    Raises InputError if it is missing or damaged, or has other arrays than those of these names.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
        if names and set(arrays) != set(names):
            raise ValueError(", ".join(arrays))
        return arrays
    except Exception as error:  # NumPy raises anything for a damaged file
        raise InputError(
            f"{path}: expected the arrays {' and '.join(names) or 'of NumPy'}. Received: "
            f"{reason(error)}. Run `dvc repro`."
        ) from None


def md5(path: Path) -> str:
    """The hash of a file, as DVC has it in dvc.lock. Raises InputError if it cannot be read."""
    try:
        return digest(path, "md5")
    except OSError as error:
        raise InputError(
            f"{path}: expected a file to read. Received: {error.strerror}. Run `dvc repro`."
        ) from None


def md5_of_folder(folder: Path) -> str:
    """The hash of a folder, as DVC has it in dvc.lock."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [{"md5": md5(path), "relpath": path.relative_to(folder).as_posix()} for path in paths]
    listed = json.dumps(files, sort_keys=True).encode()
    return f"{hashlib.md5(listed, usedforsecurity=False).hexdigest()}.dir"


def digest(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file of any size in hexadecimal. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        new = functools.partial(hashlib.new, algorithm, usedforsecurity=False)
        return hashlib.file_digest(file, new).hexdigest()


def read_yaml(path: Path) -> object:
    """The content of a UTF-8 file. Raises InputError if it is missing or no YAML."""
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, name: str) -> object:
    """The content of a YAML document. Raises InputError that begins with `name` if it is none.

    It is read as DVC reads it, by YAML 1.2: `1e-6`, which `dvc exp run -S` writes, is a number, and
    `no` is text. PyYAML reads YAML 1.1.
    """
    try:
        return YAML(typ="safe").load(text)
    # It lets errors of what it calls pass: int("x"), an unknown !!bool, nested lists.
    except (YAMLError, AttributeError, LookupError, RecursionError, ValueError) as error:
        if mark := getattr(error, "problem_mark", None):  # the line itself may hold a password
            problem = error.problem.partition(" with value ")[0]  # of a key that is there twice
            error = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: expected YAML. Received: {printable(reason)}") from None
