"""Read the members of untrusted zips of images."""

import contextlib
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image

from pawprint.errors import CONTROL_CHARACTERS, InputError


class UnusableImageError(Exception):
    """An image that cannot be used; `detail` explains the `reason`.

    That is a word of the table in docs/images.md, where another one gets a row.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.detail = detail


# Pillow's own threshold for a decompression bomb: a quarter of a gigabyte of RGB pixels.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS
MAX_BYTES = 3 * MAX_PIXELS  # size of the largest image, uncompressed
# What zipfile raises for a damaged directory or member.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError)


class Archive(contextlib.AbstractContextManager):
    """One or more zips of images, read as one. Several threads may read members.

    `bits` is `clean.bits`, with which its images are decoded. Pickled, it is its absolute path and
    `bits`: another process opens the zips itself.
    """

    def __init__(self, path: Path, zips: list[zipfile.ZipFile], bits: int | None) -> None:
        self.filename = str(path)  # for messages
        self.zips = zips
        self.bits = bits

    def close(self) -> None:
        for zip_file in self.zips:
            zip_file.close()

    def __exit__(self, *_) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        return open_archive, (Path(self.filename).absolute(), self.bits)


def open_archive(path: Path, bits: int | None = None) -> Archive:
    """Open a zip, or all zips of a folder, for reading.

    Raises InputError for a missing file, for a file that is not a complete zip, and for overlapping
    members, as in zip bombs. All members together are at most 1,032 times as large as the archive,
    the limit of deflate.
    """
    files = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not files:
        raise _no_archive(path)
    with contextlib.ExitStack() as stack:
        zips = [stack.enter_context(_open_zip(file)) for file in files]
        stack.pop_all()  # they stay open
    return Archive(path if len(files) > 1 else files[0], zips, bits)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise _no_archive(path) from None
    except OSError as error:
        raise InputError(f"{path}: expected a readable file. Received: {error}") from None
    except BROKEN as error:
        raise InputError(f"{path}: expected a complete zip archive. Received: {error}") from None
    size = path.stat().st_size
    total = sum(info.compress_size for info in archive.infolist())
    are_inside = all(0 <= info.header_offset < size for info in archive.infolist())
    if total > size or not are_inside:
        archive.close()
        raise InputError(
            f"{path}: expected a complete zip archive. Received: {size:,} bytes, whose directory "
            f"lists {total:,} bytes of members{'' if are_inside else ', some outside the file'}."
        )
    return archive


def _no_archive(path: Path) -> InputError:
    return InputError(f"{path}: no such archive. Run `dvc repro` to fetch it.")


def members(archive: Archive) -> list[str]:
    """The names of the files in the archive, sorted; folders are left out.

    A name that two members have occurs twice.
    """
    return sorted(
        info.filename
        for zip_file in archive.zips
        for info in zip_file.infolist()
        if not info.filename.endswith("/") or info.file_size
    )


def find_safe(archive: Archive, name: str) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
    """A member and the zip that has it. Raises UnusableImageError for one with an unsafe name.

    It is absolute, or has `..`, a backslash, a drive letter, control characters or what ends a
    script in HTML. Raises KeyError if there is no such member.
    """
    holder = next((zip_file for zip_file in archive.zips if name in zip_file.NameToInfo), None)
    if holder is None:
        raise KeyError(f"There is no item named {name!r} in the archive")
    info = holder.getinfo(name)
    raw = info.orig_filename  # as in the archive: zipfile cuts and converts names
    parts = raw.split("/")
    if ".." in parts or "" in parts or "\\" in raw or raw[1:2] == ":":
        raise UnusableImageError("unsafe_name", "expected a relative path with / and without ..")
    if CONTROL_CHARACTERS.search(raw):
        raise UnusableImageError("unsafe_name", "control characters in the name")
    if "</" in raw or "<!" in raw:
        raise UnusableImageError("unsafe_name", "</ or <!, which DVC's plots would take for HTML")
    return holder, info


def read_member(archive: Archive, name: str) -> bytes:
    """The bytes of a member, at most MAX_BYTES. Nothing is written to disk.

    Raises KeyError if there is none, and UnusableImageError for a member with an unsafe name, that
    is not a regular file, or that cannot be read completely.
    """
    holder, info = find_safe(archive, name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise UnusableImageError("not_a_file", f"{stat.filemode(kind)[0]} in its mode")
    if info.flag_bits & 1:
        raise UnusableImageError("encrypted", "a password is needed")
    if info.file_size > MAX_BYTES:
        raise UnusableImageError("too_large", f"{info.file_size:,} bytes")
    # zipfile decompresses other methods without regard to the size limit.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableImageError("unreadable", f"compression method {info.compress_type}")
    try:
        with holder.open(info) as file:
            data = file.read(info.file_size)  # the argument limits memory
    except BROKEN as error:
        raise UnusableImageError("unreadable", str(error) or "the data ends early") from None
    if len(data) < info.file_size:
        raise UnusableImageError("unreadable", f"{len(data)} of {info.file_size} bytes")
    return data
