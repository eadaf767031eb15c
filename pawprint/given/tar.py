"""Read a tar from an untrusted source, without writing any of its files to disk."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import open_binary
from pawprint.given.decoding.limits import MAX_BYTES
from pawprint.given.names import member_name

OPENERS: dict[bytes, Callable] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
# Maximum content bytes per tar byte: the limit of deflate, and therefore of a zip file. bzip2 and
# xz have no limit.
MAX_RATIO = 1032
MAX_NAME = 65_535  # the longest name in a zip, in bytes
# More zeros at the end look damaged. Most programs fill up only one record.
PADDING = 10 * tarfile.RECORDSIZE
COMPRESSED_PADDING = 2**24  # where damage is found otherwise, and zeros may exceed MAX_RATIO
BROKEN_TAR = (
    tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    RecursionError,  # of tarfile, in a chain of long names
)  # fmt: skip


class _BoundedFile:
    """A file that cannot be read beyond a position, or more than MAX_BYTES at once."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self.file = file
        self.limit = limit

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int) -> bytes:
        self._require(0 <= size <= MAX_BYTES, f"{size:,} bytes in one read")
        self._require(self.file.tell() + size <= self.limit, f"more than {self.limit:,} bytes")
        return self.file.read(size)

    def seek(self, position: int) -> int:
        self._require(position <= self.limit, f"more than {self.limit:,} bytes")
        return self.file.seek(position)

    def _require(self, is_fine: bool, amount: str) -> None:
        if not is_fine:
            raise tarfile.ReadError(f"{amount}, too many for a file of this size")


def is_tar(path: Path) -> bool:
    """Return whether a file looks like a tar, possibly compressed with gzip, bzip2 or xz.

    Raises OSError, with the file's name, if the file cannot be read.
    """
    try:
        with open_binary(path) as file:
            start = _decompressed(file).read(tarfile.BLOCKSIZE)
            tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except BROKEN_TAR as error:
        _require_read(error)
        return False
    return True


def _require_read(error: Exception) -> None:
    """Raise a file system error again, because the file's content did not cause it."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def tar_files(path: Path, left_out: dict[str, list[str]]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) for every file in the tar, in its order, except those left out.

    These are links, devices, sparse files, and files of more than MAX_BYTES, which cannot be
    photos. Their names are added to `left_out`, keyed by the reason.

    Raises InputError if the tar is incomplete or damaged, if there are more than MAX_RATIO content
    bytes per tar byte, including those left out, or if a name is longer than MAX_NAME. Names are
    otherwise checked later, in `read_member`. Raises OSError, with the tar's name, if the tar
    cannot be read.
    """
    try:
        with open_binary(path) as opened:
            stream = _decompressed(opened)
            # The smallest tar consists of one record.
            limit = max(path.stat().st_size * MAX_RATIO, tarfile.RECORDSIZE)
            file = _BoundedFile(stream, limit)
            # tarfile only calls `read`, but its type stub also expects `write`.
            with tarfile.open(fileobj=file, mode="r:") as archive:  # type: ignore[call-overload]
                while (entry := archive.next()) is not None:
                    archive.members = []  # otherwise tarfile would keep them all
                    if archive.offset <= entry.offset:  # `next` would not end
                        raise tarfile.ReadError("a negative size")
                    name = member_name(entry.name)
                    if (size := len(name.encode())) > MAX_NAME:
                        raise tarfile.ReadError(f"a name of {size:,} bytes")
                    if why := _why_left_out(entry):
                        left_out.setdefault(why, []).append(name)
                    elif not entry.isdir():
                        yield name, archive.extractfile(entry).read()
                # tarfile stops at a damaged header without raising an error.
                file.seek(archive.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("the end is missing, or a header is damaged")
                _require_padding(file, is_compressed=stream is not opened)
    except BROKEN_TAR as error:
        _require_read(error)
        raise InputError(
            f"fetch.source: expected a complete tar archive. Received: {path}: "
            f"{printable(str(error)) or 'the data ends early'}. Download or create it again."
        ) from None


def _require_padding(file: _BoundedFile, *, is_compressed: bool) -> None:
    """Read to the end of the stream, where gzip compares its checksum.

    Raises ReadError if more than zeros follow the end of the tar or, without compression, more
    zeros than PADDING: a header that was overwritten with zeros looks like the end.
    """
    start = file.tell()
    file.limit += COMPRESSED_PADDING
    while record := file.read(tarfile.RECORDSIZE):
        if any(record):
            raise tarfile.ReadError("data after the end, or a header is damaged")
        if not is_compressed and file.tell() - start > PADDING:
            raise tarfile.ReadError(
                f"more than {PADDING:,} zeros at the end, so files may be lost; a tar in large "
                "blocks (`tar -b 512`) is only accepted if it is compressed"
            )


def _decompressed(file: BinaryIO) -> BinaryIO:
    """Return the content of a file that may be compressed, or the file itself if it is not."""
    start = file.read(6)
    file.seek(0)
    opener = next((each for magic, each in OPENERS.items() if start.startswith(magic)), None)
    return opener(file, "rb") if opener else file


def _why_left_out(entry: tarfile.TarInfo) -> str:
    """Return why the content of an entry is not read, or "" for a file or a folder."""
    if entry.issparse() or not (entry.isreg() or entry.isdir()):
        return "link, device or sparse file"
    return f"more than {MAX_BYTES:,} bytes" if entry.size > MAX_BYTES else ""


def describe_left_out(left_out: Mapping[str, list[str]]) -> list[str]:
    """Return a line for each reason for which files of an archive are left out."""
    return [
        f"left out {counted(len(names), 'file')} ({why}): {name_some(names)}"
        for why, names in left_out.items()
    ]
