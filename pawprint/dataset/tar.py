"""The files of an untrusted tar, compressed or not, to be packed into a zip."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pawprint.core.errors import InputError, printable
from pawprint.dataset.packing import member_name

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
MAX_BYTES = 2**28  # of one file; `clean` rejects smaller ones already
# Bytes of the tar for each byte of its file: the limit of deflate, and so of a zip. bzip2 and xz
# have none.
MAX_RATIO = 1032
BROKEN = (
    tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
)  # fmt: skip


class _Bounded:
    """A file that refuses to be read beyond a position, and more than MAX_BYTES at a time."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self.file, self.limit, self.tell = file, limit, file.tell

    def read(self, size: int) -> bytes:
        self._require(size <= MAX_BYTES, f"{size:,} bytes in one file")
        self._require(self.tell() + size <= self.limit, f"more than {self.limit:,} bytes")
        return self.file.read(size)

    def seek(self, position: int) -> int:
        self._require(position <= self.limit, f"more than {self.limit:,} bytes")
        return self.file.seek(position)

    def _require(self, is_fine: bool, received: str) -> None:
        if not is_fine:
            raise tarfile.ReadError(f"{received}, too many for a file of this size")


def is_tar(path: Path | str) -> bool:
    """Whether the file is a tar by its first header, compressed with gzip, bzip2, xz or nothing."""
    try:
        with _opened(Path(path)) as file:
            tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except BROKEN:
        return False
    return True


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every file of the tar in its order, one at a time.

    Raises InputError for a tar that is incomplete or damaged, for a file of more than MAX_BYTES,
    for more than MAX_RATIO bytes of content for each byte of the tar, and for an entry that is
    neither file nor folder, or a file with holes. Names are not checked: `read_member` does.
    """
    try:
        with _opened(path) as opened:
            # At least one record, the smallest tar.
            limit = max(path.stat().st_size * MAX_RATIO, tarfile.RECORDSIZE)
            file = _Bounded(opened, limit)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while (entry := archive.next()) is not None:
                    archive.members = []  # tarfile would keep them all
                    if entry.isdir():
                        continue
                    _require_regular(entry)
                    yield member_name(entry.name), archive.extractfile(entry).read()
                # tarfile also ends at a damaged header, without an error.
                file.seek(archive.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("no end of the archive, or a damaged header")
    except BROKEN as error:
        raise InputError(
            f"fetch.source: expected a complete tar archive. Received: {path}: "
            f"{printable(str(error)) or 'the data ends early'}. Fetch or make it again."
        ) from None


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        start = file.read(6)
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    return opener(path, "rb")


def _require_regular(entry: tarfile.TarInfo) -> None:
    if not entry.isreg() or entry.issparse():
        kind = "a link" if entry.issym() or entry.islnk() else "a device or a file with holes"
        raise InputError(
            f"fetch.source: expected files and folders in the tar. Received: "
            f"{printable(entry.name)}, which is {kind}. Unpack it, put copies in the place of such "
            "files, and set fetch.source to the folder."
        )
