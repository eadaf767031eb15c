"""Import images: a folder, a zip, a tar or a URL as a zip; a folder in DVC as a list."""

import bz2
import contextlib
import gzip
import lzma
import os
import re
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

from pawprint.errors import InputError, name_some, printable
from pawprint.files import OF_SYSTEMS, is_link_of_dvc, pack, read_yaml, replacing
from pawprint.git import pointer_at
from pawprint.images.archive import (
    MAX_BYTES,
    ZIP,
    members,
    open_archive,
    read_member,
    what_is,
    write_list,
)
from pawprint.named_file import copy_file, describe_failure, open_binary, read_bytes
from pawprint.params.section import Section, Sha256, check_content

Files = list[tuple[str, Path]]  # name in the archive, and file


def folder_files(folder: Path) -> Files:
    """Return every file except OF_SYSTEMS with its path below the folder, sorted by path.

    Prints `empty_folders`.

    Raises InputError for an empty folder, and for an entry that is neither file nor folder. A link
    is refused, because its target may lie outside the folder and be private; but DVC's links into
    its cache count as files.
    """
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        paths += [Path(parent, name) for name in (*links, *names) if name not in OF_SYSTEMS]
    for line in describe_empty(folder):
        print(f"fetch: {line}")
    if not paths:
        raise InputError(f"fetch.source: expected images in {folder}. Received: an empty folder.")
    files = sorted((path.relative_to(folder).as_posix(), path) for path in paths)
    for _, path in files:
        _require_file(path)
    return [(member_name(name), path) for name, path in files]


def _refuse_folder(error: OSError) -> None:
    """Raise an error of `os.walk` as InputError."""
    raise InputError(f"fetch.source: {describe_failure(error, 'read')}")


def _require_file(path: Path) -> None:
    """Raise InputError if an entry of a folder is neither a file nor DVC's link to one."""
    is_link = path.is_symlink()
    is_of_dvc = is_link_of_dvc(path)
    if path.is_file() and (is_of_dvc or not is_link):
        return
    kind = "a link. Put a copy in its place" if is_link else "neither. Remove it"
    if is_of_dvc:
        kind = "a link to a file that DVC's cache lacks. Run `dvc pull`"
    raise InputError(
        f"fetch.source: expected files and folders. Received: {printable(str(path))}, "
        f"which is {pointer_at(path) or kind}."
    )


def empty_folders(folder: Path) -> list[Path]:
    """Return visible subfolders with nothing but OF_SYSTEMS, which no archive contains."""
    empty = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not folders and not set(files) - {*OF_SYSTEMS}:
            empty.append(Path(parent))
    return empty


def describe_empty(folder: Path) -> list[str]:
    """Return a line for each of `empty_folders`; another folder of the same name may be a class."""
    empty = empty_folders(folder)
    if not empty:
        return []
    full = {
        Path(parent).name.lower()
        for parent, _, files in os.walk(folder)
        if {*files} - {*OF_SYSTEMS}
    }
    return [
        f"{printable(str(path))} has no files, "
        + (
            "unlike another folder of this name"
            if path.name.lower() in full
            else "so it is not a class"
        )
        for path in empty
    ]


def list_files(source: Path) -> tuple[list[str], Callable[[str], bytes]] | None:
    """Return the names of the files in a folder or a zip, sorted, and a function that reads one.

    The names are the ones that later stages see, including files that .dvcignore names. Files are
    not opened, so this is fast. Returns None for any other source. Raises InputError for the
    reasons of `open_archive`.
    """
    if source.is_dir():
        paths = {}
        for parent, _, names in os.walk(source):
            inner = Path(parent).relative_to(source).as_posix()
            for name in names if inner == "." else (f"{inner}/{name}" for name in names):
                paths[member_name(name)] = source / name
        names = sorted(name for name, path in paths.items() if path.name not in OF_SYSTEMS)
        return names, lambda name: read_bytes(paths[name])
    if source.is_file() and zipfile.is_zipfile(source):
        archive = open_archive(source)
        return members(archive), partial(read_member, archive)
    return None


def require_utf8(paths: Iterable[Path]) -> None:
    """Raise InputError for a path that is not UTF-8, because DVC would fail without naming it."""
    for path in paths:
        if re.search(r"[\ud800-\udfff]", str(path)):  # how Python decodes other bytes
            raise InputError(
                f"{printable(str(path))}: expected a name in UTF-8, which DVC requires. Received: "
                "another encoding. Rename the file."
            )


def member_name(path: str) -> str:
    """Return the name in the zip for a path with slashes: valid text without ./.

    A name that is not UTF-8 is read as cp437, as in a zip.
    """
    name = PurePosixPath(path).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp437")
    return name


OPENERS: dict[bytes, Callable] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
# Bytes of the tar per byte of its file: the limit of deflate, and so of a zip. bzip2 and xz have no
# limit.
MAX_RATIO = 1032
BROKEN_TAR = (
    tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
)  # fmt: skip


class _BoundedFile:
    """A file that refuses to be read beyond a position, and more than MAX_BYTES at a time."""

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
    """Return whether a file, perhaps compressed with gzip, bzip2 or xz, begins as a tar does.

    Raises OSError that names the file if it cannot be read.
    """
    try:
        with _open_stream(path) as file:
            tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except BROKEN_TAR as error:
        _require_read(error)
        return False
    return True


def _require_read(error: Exception) -> None:
    """Raise an error of the file system again, because it is not about the file's content."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every file in the tar, in its order.

    Raises InputError for a tar that is incomplete or damaged, for a file of more than MAX_BYTES,
    for more than MAX_RATIO bytes of content per byte of the tar, and for an entry that is neither
    file nor folder, or a file with holes. Names are not checked here but in `read_member`. Raises
    OSError, which names the tar, if it cannot be read.
    """
    try:
        with _open_stream(path) as stream:
            # At least one record, the smallest tar.
            limit = max(path.stat().st_size * MAX_RATIO, tarfile.RECORDSIZE)
            file = _BoundedFile(stream, limit)
            # tarfile only reads it, and typeshed asks for `write` too.
            with tarfile.open(fileobj=file, mode="r:") as archive:  # type: ignore[call-overload]
                while (entry := archive.next()) is not None:
                    archive.members = []  # otherwise tarfile keeps them all
                    if entry.isdir():
                        continue
                    _require_regular(entry)
                    yield member_name(entry.name), archive.extractfile(entry).read()
                # tarfile stops at a damaged header without an error.
                file.seek(archive.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("the end is missing, or a header is damaged")
    except BROKEN_TAR as error:
        _require_read(error)
        raise InputError(
            f"fetch.source: expected a complete tar archive. Received: {path}: "
            f"{printable(str(error)) or 'the data ends early'}. Fetch or make it again."
        ) from None


@contextlib.contextmanager
def _open_stream(path: Path) -> Iterator[BinaryIO]:
    with open_binary(path) as file:
        start = file.read(6)
        file.seek(0)
        opener = next((each for magic, each in OPENERS.items() if start.startswith(magic)), None)
        with opener(file, "rb") if opener else contextlib.nullcontext(file) as stream:
            yield stream


def _require_regular(entry: tarfile.TarInfo) -> None:
    if not entry.isreg() or entry.issparse():
        kind = "a link" if entry.issym() or entry.islnk() else "a device or a file with holes"
        raise InputError(
            f"fetch.source: expected files and folders in the tar. Received: "
            f"{printable(entry.name)}, which is {kind}. Unpack it, put copies in the place of such "
            "files, and set fetch.source to the folder."
        )


class Source(Section):
    """A YAML file as the source: the URL of an archive and, if known, its SHA-256."""

    url: Annotated[str, Field(pattern="^https?://[^/]+/.*[^/]$")]  # of a file, not of a folder
    sha256: Sha256 | None = None


def fetch(source: Path, folder: Path, tracked: Mapping[str, str] | None = None) -> str:
    """Write the images to the folder, as a zip or a list. Return the amount, in words.

    A zip is copied; a folder or a tar is packed, with the same bytes every time. If DVC tracks the
    folder, `tracked` has the MD5s by path: the folder is listed, and its files stay where they are.
    Raises InputError if the source is missing or of another kind.
    """
    if source.is_file() and source.suffix in (".yaml", ".yml"):
        from pawprint.download import download  # slow to import, and few sources are URLs

        remote = check_content(Source, read_yaml(source), source, [])
        source = download(remote.url, remote.sha256, str(source))
    if not source.is_dir() and not source.is_file():  # reading a pipe would never end
        raise _no_source(source)
    with replacing(folder) as partial:
        partial.mkdir()
        images = partial / ZIP
        if source.is_dir():
            found = folder_files(source)
            if tracked is not None:
                # .dvcignore excludes the others.
                listed = {name: tracked[name] for name, _ in found if name in tracked}
                write_list(partial, source, listed)
                return f"{len(listed):,} listed files"
            pack(images, ((name, read_bytes(path)) for name, path in found))
        elif is_tar(source):
            pack(images, tar_files(source))
        elif zipfile.is_zipfile(source):
            with open_archive(source):  # raises InputError for an incomplete one
                copy_file(source, images)
        else:
            raise _no_source(source)
        return f"{images.stat().st_size:,} bytes"


def describe_file_changes(
    before: Mapping[str, object], after: Mapping[str, object], earlier: str
) -> Iterator[str]:
    """Yield text as "9 files fewer than in the last commit: 5 in cat, 4 in dog".

    `earlier` names the source of `before`, such as "the last commit".

    Both map file names to something that identifies the content. A file is the same if it keeps its
    name or, within its folder, its content.
    """
    gone = Counter(_folder_and_content(before, before.keys() - after.keys()))
    new = Counter(_folder_and_content(after, after.keys() - before.keys()))
    for files, kind in ((gone - new, "fewer"), (new - gone, "more")):
        folders = Counter(folder for folder, _ in files.elements())
        if number := folders.total():
            names = name_some(f"{count:,} in {folder}" for folder, count in folders.most_common())
            yield f"{number:,} file{'s' if number > 1 else ''} {kind} than in {earlier}: {names}"


def _folder_and_content(
    contents: Mapping[str, object], names: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        folder = PurePosixPath(name).parent.as_posix()
        yield ("(no folder)" if folder == "." else folder), str(contents[name])


def _no_source(source: Path) -> InputError:
    problem = "is neither file nor folder" if source.exists() else "does not exist"
    if found := what_is(source) if source.is_file() else pointer_at(source):
        problem = f"is {found}"
    elif source.is_file():
        with open_binary(source) as file:
            problem = f"begins with {file.read(40)!r}"
    return InputError(
        "fetch.source: expected the path of a folder, a zip, a tar, or a .yaml with the url of "
        f"one. Received: {str(source)!r}, which {problem}."
    )
