"""Import images: pack a folder, zip, tar or URL into a zip, or list a folder tracked by DVC.

Also describe which files were added and removed, and read a tar.
"""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO

from pydantic import Field

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import (
    OF_SYSTEMS,
    copy_file,
    describe_failure,
    is_link_of_dvc,
    open_binary,
    pack,
    pointer_at,
    read_bytes,
    replacing,
)
from pawprint.base.paths import OF_URLS
from pawprint.base.yaml_file import read_yaml
from pawprint.given.archive import ZIP, members, open_archive, read_member, what_is, write_list
from pawprint.given.decoding.limits import MAX_BYTES
from pawprint.given.names import member_name, require_utf8
from pawprint.pipeline.params.section import Section, Sha256, check_content

Files = list[tuple[str, Path]]  # the name in the archive, and the file
# A tar comes from an untrusted source, so none of its files is written to disk.
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
)  # fmt: skip


def folder_files(folder: Path) -> Files:
    """Return every file in a folder except OF_SYSTEMS, with relative paths, sorted by path.

    Prints the lines of `describe_empty`.

    Raises InputError if the folder is empty, or if an entry is neither a file nor a folder. Links
    are rejected, because their target may be outside the folder and private, except for DVC's links
    to its cache.
    """
    files = sorted(_walk(folder))
    for line in describe_empty(folder):
        print(f"fetch: {line}")
    if not files:
        raise InputError(f"fetch.source: expected images in {folder}. Received: an empty folder.")
    for _, path in files:
        _require_file(path)
    return [(member_name(name), path) for name, path in files]


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file and link below a folder except OF_SYSTEMS, with its relative path."""
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder):
        inner = Path(parent).relative_to(folder).as_posix()
        prefix = "" if inner == "." else f"{inner}/"
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in {*links, *names}.difference(OF_SYSTEMS):
            yield f"{prefix}{name}", Path(parent, name)


def _refuse_folder(error: OSError) -> None:
    """Convert an error from `os.walk` to InputError."""
    raise InputError(f"fetch.source: {describe_failure(error, 'read')}")


def _require_file(path: Path) -> None:
    """Raise InputError if an entry of a folder is neither a file nor DVC's link to one."""
    is_link = path.is_symlink()
    is_of_dvc = is_link_of_dvc(path)
    if path.is_file() and (is_of_dvc or not is_link):
        return
    kind = "a link. Replace it with a copy" if is_link else "neither. Remove it"
    if is_of_dvc:
        kind = "a link to a file that is missing from DVC's cache. Run `dvc pull`"
    raise InputError(
        f"fetch.source: expected files and folders. Received: {printable(str(path))}, "
        f"which is {pointer_at(path) or kind}."
    )


def describe_empty(folder: Path) -> list[str]:
    """Return a line for each visible subfolder that is empty except for OF_SYSTEMS."""
    empty = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not folders and not {*files} - {*OF_SYSTEMS}:
            empty.append(f"{printable(parent)} has no files")
    return empty


def list_files(source: Path) -> tuple[list[str], Callable[[str], bytes]] | None:
    """Return the sorted names of the files in a folder or zip, and a function that reads one.

    The names are the same as in later stages, except that they include files excluded by
    .dvcignore. Listing is fast, because files are not opened. Returns None for other sources.
    Raises InputError for a folder that cannot be read, for a name that `require_utf8` rejects, and
    for the same reasons as `open_archive`.
    """
    if source.is_dir():
        paths = dict(_walk(source))
        require_utf8(paths.values())
        return sorted(paths), lambda name: read_bytes(paths[name])
    if source.is_file() and zipfile.is_zipfile(source):
        archive = open_archive(source)
        return members(archive), partial(read_member, archive)
    return None


class RemoteSource(Section):
    """A YAML source file, with an archive's URL and, if known, its SHA-256."""

    url: Annotated[str, Field(pattern="^https?://[^/]+/.*[^/]$")]  # a file, not a folder
    sha256: Sha256 | None = None


def fetch(source: Path, folder: Path, tracked: Mapping[str, str] | None = None) -> str:
    """Write the images to the folder, as a zip or a list. Return how many there are, as text.

    A zip is copied. A folder or a tar is packed into a zip, with the same bytes every time. If DVC
    tracks the folder, `tracked` contains MD5 hashes keyed by path; the files are then listed and
    stay where they are. Raises InputError if the source is missing or is anything else.
    """
    if source.is_file() and source.suffix in OF_URLS:
        from pawprint.base.download import download  # slow, and few sources are URLs

        remote = check_content(RemoteSource, read_yaml(source), source, [])
        source = download(remote.url, remote.sha256, str(source))
    if not source.is_dir() and not source.is_file():  # reading a pipe would never end
        raise _no_source(source)
    with replacing(folder) as partial:
        partial.mkdir()
        images = partial / ZIP
        if source.is_dir():
            found = folder_files(source)
            if tracked is not None:
                # Files excluded by .dvcignore are not listed.
                listed = {name: tracked[name] for name, _ in found if name in tracked}
                write_list(partial, source, listed)
                return counted(len(listed), "listed file")
            pack(images, ((name, read_bytes(path)) for name, path in found))
        elif is_tar(source):
            pack(images, tar_files(source))
        elif zipfile.is_zipfile(source):
            with open_archive(source):  # raises InputError if the archive is incomplete
                copy_file(source, images)
        else:
            raise _no_source(source)
        return f"{images.stat().st_size:,} bytes"


def _no_source(source: Path) -> InputError:
    problem = "is neither a file nor a folder" if source.exists() else "does not exist"
    if found := what_is(source) if source.is_file() else pointer_at(source):
        problem = f"is {found}"
    elif source.is_file():
        with open_binary(source) as file:
            problem = f"begins with {file.read(40)!r}"
    return InputError(
        "fetch.source: expected a path to a folder, zip or tar, or to a .yaml with the url of an "
        f"archive. Received: {str(source)!r}, which {problem}."
    )


def describe_file_changes(
    before: Mapping[str, object], after: Mapping[str, object], earlier: str
) -> Iterator[str]:
    """Yield text such as "9 fewer files than in the last commit: 5 in cat, 4 in dog".

    `earlier` describes where `before` comes from, such as "the last commit".

    Both mappings have file names as keys, and values that identify the content. A file counts as
    unchanged if its name stays the same, or if a file in the same folder has the same content.
    """
    gone = Counter(_folder_and_content(before, before.keys() - after.keys()))
    new = Counter(_folder_and_content(after, after.keys() - before.keys()))
    for files, kind in ((gone - new, "fewer"), (new - gone, "more")):
        folders = Counter(folder for folder, _ in files.elements())
        if number := folders.total():
            names = name_some(f"{count:,} in {folder}" for folder, count in folders.most_common())
            yield f"{number:,} {kind} file{'s' if number > 1 else ''} than in {earlier}: {names}"


def _folder_and_content(
    contents: Mapping[str, object], names: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        folder = PurePosixPath(name).parent.as_posix()
        yield ("(no folder)" if folder == "." else folder), str(contents[name])


class _BoundedFile:
    """A file that cannot be read beyond a position, or more than MAX_BYTES at once."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self.file = file
        self.limit = limit

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int) -> bytes:
        self._require(size <= MAX_BYTES, f"{size:,} bytes in one file")
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


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) for every file in the tar, in its order.

    Raises InputError if the tar is incomplete or damaged, if a file has more than MAX_BYTES, if
    there are more than MAX_RATIO content bytes per tar byte, if a name is longer than MAX_NAME, or
    if an entry is a sparse file or is neither a file nor a folder. Names are otherwise checked
    later, in `read_member`. Raises OSError, with the tar's name, if the tar cannot be read.
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
                    if entry.isdir():
                        continue
                    _require_regular(entry)
                    name = member_name(entry.name)
                    if (size := len(name.encode())) > MAX_NAME:
                        raise tarfile.ReadError(f"a name of {size:,} bytes")
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


def _require_regular(entry: tarfile.TarInfo) -> None:
    if not entry.isreg() or entry.issparse():
        kind = "a link" if entry.issym() or entry.islnk() else "a device or a sparse file"
        raise InputError(
            f"fetch.source: expected files and folders in the tar. Received: "
            f"{printable(entry.name)}, which is {kind}. Unpack the tar, replace such entries with "
            "copies of the files and set fetch.source to the folder."
        )
