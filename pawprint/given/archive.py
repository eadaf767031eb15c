"""Read a project's images, from untrusted zip files or from a folder that DVC tracks.

`fetch` writes either the zip or a list of the files with their MD5 hashes. A file that has changed
since the list was written is never used.
"""

import contextlib
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from pawprint.base import files
from pawprint.base.errors import InputError, name_some, printable
from pawprint.given.decoding.limits import MAX_BYTES, DecodingError
from pawprint.given.names import problem_of_name


class UnusableImageError(DecodingError, InputError):
    """An image that cannot be decoded, or whose file cannot be used."""


# The exceptions that zipfile raises for a damaged directory or member.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError)
# The first bytes, in lower case, of files that people often supply instead of a zip or tar.
OTHERS = {
    b"rar!\x1a\x07": "a RAR archive. Unpack it and use the folder",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive. Unpack it and use the folder",
    b"\x28\xb5\x2f\xfd": "a file compressed with Zstandard. Unpack it and use the folder",
    b"pk\x07\x08": "a part of a split zip. Join its parts: `zip -s 0 LAST.zip --out whole.zip`",
    b"pk\x03\x04": "an incomplete zip, without its end. Download or copy it again",
    b"<!doctype html": "a web page. Download the archive itself: the site may require a login",
    b"<html": "a web page. Download the archive itself: the site may require a login",
}
# The suffix of a file in a multi-part archive.
PART = re.compile(r"\.z?[0-9]{2,3}", re.IGNORECASE)
IS_UTF8 = 0x800  # a flag of a zip member
UNICODE_PATH = 0x7075  # a type of extra field in a zip member
# `fetch` writes one of these two files.
ZIP = "images.zip"
LIST = "files.json"


class Archive(contextlib.AbstractContextManager):
    """A zip of images, or a folder with a file list. Several threads can read from it at once.

    Messages call it `filename`. Its images are decoded with `bits`, the value of `clean.bits`.
    `md5s` maps each listed file, by its path in the folder, to its hash; for a zip it is empty.
    Pickling stores only `bits` and the absolute path of the zip or list, so that another process
    opens the files itself.
    """

    def __init__(self, path: Path, bits: int | None) -> None:
        self.path = path
        self.filename = str(path)
        self.bits = bits
        self.zip_file: zipfile.ZipFile | None = None
        self.md5s: dict[str, str] = {}
        if path.name == LIST:
            folder, self.md5s = files.read_json(path)
            self.filename = os.path.normpath(path.parent / folder)
        else:
            self.zip_file = _open_zip(path)

    def __exit__(self, *_: object) -> None:
        if self.zip_file:
            self.zip_file.close()

    def __reduce__(self) -> tuple:
        return Archive, (self.path.absolute(), self.bits)

    def md5_of(self, name: str) -> bytes:
        """Return the MD5 hash listed for a file, as ASCII, or b"" for a zip member."""
        return self.md5s.get(name, "").encode()


def open_archive(path: Path, bits: int | None = None) -> Archive:
    """Open a zip, or the folder of images that `fetch` recorded in a list.

    Raises InputError if the file is missing, is not a complete zip, or has overlapping members, as
    zip bombs do. Without overlaps, all members together are at most 1,032 times as large as the
    archive, because deflate cannot compress further.
    """
    if path.is_dir():
        path /= LIST if (path / LIST).is_file() else ZIP
    return Archive(path, bits)


def write_list(path: Path, folder: Path, md5s: Mapping[str, str]) -> None:
    """Write a list of files in a folder, with their MD5 hashes, for `open_archive(path)`."""
    files.write_json(path / LIST, [Path(os.path.relpath(folder, path)).as_posix(), md5s])


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such archive. Run `dvc repro` to fetch it.") from None
    except OSError as error:
        error.filename = error.filename or path
        raise InputError(files.describe_failure(error, "read")) from None
    except BROKEN as error:
        raise InputError(
            f"{path}: expected a complete zip archive. Received: {what_is(path) or error}."
        ) from None
    size = path.stat().st_size
    total = sum(info.compress_size for info in archive.infolist())
    are_inside = all(0 <= info.header_offset < size for info in archive.infolist())
    if total > size or not are_inside:
        archive.close()
        is_whole = are_inside and not any(info.volume for info in archive.infolist())
        problem = (
            "members that overlap, as in a zip bomb. Make the zip again from its files."
            if is_whole
            else "an incomplete zip. Download or copy it again; if it is a split zip, join its "
            "parts: `zip -s 0 LAST.zip --out whole.zip`."
        )
        raise InputError(
            f"{path}: expected a complete zip archive. Received: a zip of {size:,} bytes, whose "
            f"directory lists {total:,} bytes of members"
            f"{'' if are_inside else ', some outside the file'}: {problem}"
        )
    encoding = "cp437" if _members_in_cp437(archive) else "utf-8"
    for info in archive.infolist():
        name = _name_of(info) or info.orig_filename.encode("cp437").decode(encoding)
        if "/" not in name and (name.isascii() or encoding == "utf-8"):
            name = name.replace("\\", "/")  # some Windows programs write backslashes
        info.filename = name.partition("\0")[0]
    archive.NameToInfo = {info.filename: info for info in archive.infolist()}
    return archive


def what_is(path: Path) -> str | None:
    """Explain what a file is that is neither a complete zip nor a tar, and what to do.

    Returns None if the type of file is unknown. Raises OSError, with the name of the file, if it
    cannot be read.
    """
    if found := files.pointer_at(path):
        return found
    with files.open_binary(path) as file:
        start = file.read(100).lstrip().lower()
    if not start:
        return "an empty file. Download or copy it again"
    if start.startswith(b"pk") and PART.fullmatch(path.suffix):
        return "a part of an archive. Join its parts, or unpack them and use the folder"
    return next((text for magic, text in OTHERS.items() if start.startswith(magic)), None)


def _name_of(info: zipfile.ZipInfo) -> str | None:
    """Return the name of a member, or None if its encoding is not specified.

    Sections 4.4.4 and 4.6.9 of APPNOTE.TXT describe how a zip specifies the encoding.
    """
    if info.flag_bits & IS_UTF8 or info.orig_filename.isascii():
        return info.orig_filename
    extra = info.extra
    proof = struct.pack("<BI", 1, zlib.crc32(info.orig_filename.encode("cp437")))
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field = extra[4 : 4 + size]
        extra = extra[4 + size :]
        if kind == UNICODE_PATH and field.startswith(proof):
            return field[len(proof) :].decode(errors="replace")
    return None


def _members_in_cp437(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members whose names are read as cp437, the default of the zip format.

    These are all names without a specified encoding, or none if they are all valid UTF-8, which
    macOS writes without setting the flag.
    """
    unknown = [info for info in archive.infolist() if _name_of(info) is None]
    with contextlib.suppress(UnicodeDecodeError):
        for info in unknown:
            info.orig_filename.encode("cp437").decode()
        return []
    return unknown


def describe_encoding(archive: Archive) -> str:
    """Return advice about names in a zip that may be in another encoding, or "" without any."""
    found = _members_in_cp437(archive.zip_file) if archive.zip_file else []
    if not found:
        return ""
    return (
        f"{len(found):,} names in the zip are not UTF-8, so they are read as cp437: "
        f"{name_some([found[0].filename])}. If the names are unreadable, unpack the zip with "
        "the code page of its language, such as `unzip -O gbk`, `-O shift_jis` or `-O cp850`, and "
        "use the folder"
    )


def members(archive: Archive) -> list[str]:
    """Return the sorted names of the files in the archive, without folders.

    If two members of a zip have the same name, it appears twice.
    """
    if archive.zip_file is None:
        return sorted(archive.md5s)
    infos = archive.zip_file.infolist()
    return sorted(
        info.filename for info in infos if not info.filename.endswith("/") or info.file_size
    )


def contents(archive: Archive) -> dict[str, str]:
    """Map each file to a text that identifies its content: CRC and size, or an MD5 hash."""
    if archive.zip_file is None:
        return archive.md5s
    infos = archive.zip_file.infolist()
    return {info.filename: f"{info.CRC:08x} {info.file_size}" for info in infos if info.file_size}


def mean_size(archive: Archive) -> float:
    """Return the mean size of a zip's members in bytes, or 0 for a list, whose hashes are known."""
    if archive.zip_file is None:
        return 0
    return archive.path.stat().st_size / max(len(archive.zip_file.infolist()), 1)


def require_safe(archive: Archive, name: str) -> zipfile.ZipInfo | None:
    """Return the directory entry of a zip member, or None for a file in a list.

    Raises UnusableImageError if the name is unsafe, and KeyError if a zip lacks the member.
    """
    info = archive.zip_file.getinfo(name) if archive.zip_file else None
    # Zipfile may have cut `filename` short.
    whole = info.orig_filename.replace("\\", "/") if info else name
    if problem := problem_of_name(whole) or problem_of_name(name):
        raise UnusableImageError("unsafe_name", problem)
    return info


def read_member(archive: Archive, name: str) -> bytes:
    """Return the bytes of a member, at most MAX_BYTES. Nothing is written to disk.

    Raises KeyError if the archive has no such member; UnusableImageError if a member has an unsafe
    name, is not a regular file, or cannot be read completely; InputError if a listed file is
    missing, unreadable or changed; and OSError, with the name of the zip, if it cannot be read.
    """
    info = require_safe(archive, name)
    if info is None or archive.zip_file is None:
        return _read_listed(archive, name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise UnusableImageError("not_a_file", f"{stat.filemode(kind)[0]} in its mode")
    if info.flag_bits & 1:
        raise UnusableImageError("encrypted", "a password is needed")
    if info.file_size > MAX_BYTES:
        raise UnusableImageError("too_large", f"{info.file_size:,} bytes")
    # With other compression methods, zipfile ignores the size limit.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableImageError("unreadable", f"compression method {info.compress_type}")
    try:
        with files.naming(archive.filename), archive.zip_file.open(info) as file:
            data = file.read(info.file_size)  # the argument limits memory
    except BROKEN as error:
        raise UnusableImageError("unreadable", str(error) or "the data ends early") from None
    if len(data) < info.file_size:
        raise UnusableImageError("unreadable", f"{len(data)} of {info.file_size} bytes")
    return data


def is_jpeg(archive: Archive, name: str) -> bool:
    """Return whether an image that `clean` kept is a JPEG, according to its first bytes.

    The suffix decides if the file is missing, as with `dvc repro --allow-missing`.
    """
    path = Path(archive.filename, name)
    if archive.zip_file is None and not path.exists():
        return path.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif")
    opened = archive.zip_file.open(name) if archive.zip_file else path.open("rb")
    with files.naming(path), opened as file:
        return file.read(3) == b"\xff\xd8\xff"


def _read_listed(archive: Archive, name: str) -> bytes:
    expected = archive.md5s[name]
    path = Path(archive.filename, name)
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UnusableImageError("too_large", f"{size:,} bytes")
        data = files.read_bytes(path)
        if files.md5_of(data) == expected:
            return data
        received = "a different file, changed since then. Run `dvc repro`"
    except FileNotFoundError:
        received = "no such file. If you moved or removed it, run `dvc repro`; if not, "
        received += f"`dvc pull {archive.filename}` fetches it"
    except OSError as error:
        raise InputError(files.describe_failure(error, "read")) from None
    raise InputError(
        f"{printable(str(path))}: expected the file that `fetch` listed. Received: {received}."
    )
