"""Read a project's images: members of untrusted zips, or files in a folder that DVC tracks.

`fetch` writes the zips, or a list of the files with their MD5. A file that differs from the list is
never used.
"""

import contextlib
import hashlib
import os
import posixpath
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from pawprint.errors import CONTROL_CHARACTERS, InputError, name_some, printable
from pawprint.files import read_json, write_json
from pawprint.git import pointer_at
from pawprint.named_file import describe_failure, naming, open_binary, read_bytes

# The suffixes that Pillow has for the formats of the decoder; to import Pillow takes long.
SUFFIXES = {
    *(".apng", ".avif", ".avifs", ".bmp", ".bw", ".dds", ".gif", ".heic", ".heics", ".heif"),
    *(".heifs", ".hif", ".icb", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf"),
    *(".jpg", ".jpx", ".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi"),
    *(".ras", ".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp"),
}
ACCEPTED = f"Names of images end in {', '.join(sorted(SUFFIXES))}."
SHOWN = 12  # suffixes in a line
# Folders that systems make for copies, thumbnails and deleted files, in lower case. Hidden folders,
# such as .Trash-1000, .Spotlight-V100 and .ipynb_checkpoints, need no entry.
FOLDERS_OF_SYSTEMS = {
    *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
    *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
    *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows
    *("__macosx", "network trash folder", "temporary items"),  # macOS
    *("lost+found", "lost.dir"),  # Linux, Android
}
PLACEHOLDER = ".icloud"  # a hidden file in place of one that is in Apple's cloud only


def is_image_name(name: str) -> bool:
    """Return whether a path has the suffix of an image, and nothing sets it apart.

    What sets it apart is a hidden file or folder, or one of FOLDERS_OF_SYSTEMS. Files that a table
    or a user names one by one are images, whatever their names.
    """
    is_apart = _is_hidden(name) or is_of_system(name)
    return not is_apart and posixpath.splitext(name)[1].lower() in SUFFIXES


def is_of_system(name: str) -> bool:
    """Return whether a file lies in one of FOLDERS_OF_SYSTEMS."""
    return not FOLDERS_OF_SYSTEMS.isdisjoint(name.lower().split("/")[:-1])


def count_suffixes(names: Iterable[str]) -> str:
    """Return text as "40 .eps, 2 hidden, 1 without a suffix", at most SHOWN, the most first."""
    counts = Counter(map(_kind_of, names))
    return ", ".join(f"{times:,} {printable(kind)}" for kind, times in counts.most_common(SHOWN))


def _kind_of(name: str) -> str:
    if is_of_system(name):
        return "in folders of systems"
    if _is_hidden(name) and not name.endswith(PLACEHOLDER):
        return "hidden"
    return PurePosixPath(name).suffix.lower() or "without a suffix"


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != "." for part in name.split("/"))


class UnusableImageError(Exception):
    """An image that cannot be used; `detail` explains the `reason`.

    The reason is a word of the table in docs/images.md, where a new one gets a row.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.detail = detail


# Pillow's own limit, which a program can change: a quarter of a gigabyte of RGB pixels.
MAX_PIXELS = 2**30 // 4 // 3
MAX_BYTES = 3 * MAX_PIXELS  # size of the largest image, uncompressed
# Exceptions of zipfile for a damaged directory or member.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError)
# The first bytes of what people give in place of a zip or a tar, in lower case.
OTHERS = {
    b"rar!\x1a\x07": "a RAR archive. Unpack it, and name the folder",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive. Unpack it, and name the folder",
    b"\x28\xb5\x2f\xfd": "a file that Zstandard compressed. Unpack it, and name the folder",
    b"pk\x07\x08": "a part of a split zip. Join its parts: `zip -s 0 LAST.zip --out whole.zip`",
    b"pk\x03\x04": "an incomplete zip, without its end. Download or copy it again",
    b"<!doctype html": "a web page. Download the archive itself: its site may want a login",
    b"<html": "a web page. Download the archive itself: its site may want a login",
}
PART = re.compile(r"\.z?[0-9]{2,3}", re.IGNORECASE)  # suffix of one of several files
IS_UTF8 = 0x800  # a flag of a zip's member
UNICODE_PATH = 0x7075  # a kind of extra field of a zip's member
# `fetch` writes one of them.
ZIP = "images.zip"
LIST = "files.json"


class Archive(contextlib.AbstractContextManager):
    """A zip of images, or a folder with a list, of which several threads may read members.

    `filename` names it in messages. `bits` is `clean.bits`, with which its images are decoded.
    `md5s` has the files of the list, by their path in the folder; {} for a zip. Pickled, it is the
    absolute path of the zip or the list, and `bits`: another process opens the files itself.
    """

    def __init__(self, path: Path, bits: int | None) -> None:
        self.path = path
        self.filename = str(path)
        self.bits = bits
        self.zip_file: zipfile.ZipFile | None = None
        self.md5s: dict[str, str] = {}
        if path.name == LIST:
            folder, self.md5s = read_json(path)
            self.filename = os.path.normpath(path.parent / folder)
        else:
            self.zip_file = _open_zip(path)

    def __exit__(self, *_: object) -> None:
        if self.zip_file:
            self.zip_file.close()

    def __reduce__(self) -> tuple:
        return Archive, (self.path.absolute(), self.bits)

    def md5_of(self, name: str) -> bytes:
        """Return the MD5 that the list has for a file, in ASCII; b"" for a member of a zip."""
        return self.md5s.get(name, "").encode()


def open_archive(path: Path, bits: int | None = None) -> Archive:
    """Open a zip, or what `fetch` wrote into a folder.

    Raises InputError for a missing file, for a file that is not a complete zip, and for overlapping
    members, as in zip bombs. All members together are at most 1,032 times as large as the archive,
    the limit of deflate.
    """
    if path.is_dir():
        path /= LIST if (path / LIST).is_file() else ZIP
    return Archive(path, bits)


def write_list(path: Path, folder: Path, md5s: Mapping[str, str]) -> None:
    """List files of a folder, by their path there with their MD5, for `open_archive(path)`."""
    write_json(path / LIST, [Path(os.path.relpath(folder, path)).as_posix(), md5s])


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such archive. Run `dvc repro` to fetch it.") from None
    except OSError as error:
        error.filename = error.filename or path
        raise InputError(describe_failure(error, "read")) from None
    except BROKEN as error:
        raise InputError(
            f"{path}: expected a complete zip archive. Received: {what_is(path) or error}."
        ) from None
    size = path.stat().st_size
    total = sum(info.compress_size for info in archive.infolist())
    are_inside = all(0 <= info.header_offset < size for info in archive.infolist())
    if total > size or not are_inside:
        archive.close()
        raise InputError(
            f"{path}: expected a complete zip archive. Received: an incomplete one of {size:,} "
            f"bytes, whose directory lists {total:,} bytes of members"
            f"{'' if are_inside else ', some outside the file'}. "
            "Download or copy it again; of a split zip, join the parts: `zip -s 0 LAST.zip --out "
            "whole.zip`."
        )
    _, encoding = _names_of_unknown_encoding(archive)
    for info in archive.infolist():
        name = _name_of(info) or info.orig_filename.encode("cp437").decode(encoding)
        if "/" not in name and (name.isascii() or encoding == "utf-8"):
            name = name.replace("\\", "/")  # as some programs of Windows mean it
        info.filename = name.partition("\0")[0]
    archive.NameToInfo = {info.filename: info for info in archive.infolist()}
    return archive


def what_is(path: Path) -> str | None:
    """Return what a file is that is neither a whole zip nor a tar, and what to do; None if unknown.

    Raises OSError that names the file if it cannot be read.
    """
    if found := pointer_at(path):
        return found
    with open_binary(path) as file:
        start = file.read(100).lstrip().lower()
    if not start:
        return "an empty file. Download or copy it again"
    if start.startswith(b"pk") and PART.fullmatch(path.suffix):
        return "a part of an archive. Join its parts, or unpack them, and name the folder"
    return next((text for magic, text in OTHERS.items() if start.startswith(magic)), None)


def _name_of(info: zipfile.ZipInfo) -> str | None:
    """Return the name of a member, or None if nothing tells its encoding.

    APPNOTE.TXT, 4.4.4 and 4.6.9, has what tells it.
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


def _names_of_unknown_encoding(archive: zipfile.ZipFile) -> tuple[list[zipfile.ZipInfo], str]:
    """Return the members whose names do not tell their encoding, and the one they are read in.

    It is UTF-8 if all can be, as names by macOS are, or else cp437, as the format has it.
    """
    unknown = [info for info in archive.infolist() if _name_of(info) is None]
    with contextlib.suppress(UnicodeDecodeError):
        for info in unknown:
            info.orig_filename.encode("cp437").decode()
        return unknown, "utf-8"
    return unknown, "cp437"


def describe_encoding(archive: Archive) -> str:
    """Return advice about names in a zip that do not tell their encoding, or "" if all do."""
    if archive.zip_file is None:
        return ""
    unknown, encoding = _names_of_unknown_encoding(archive.zip_file)
    if not unknown or encoding == "utf-8":  # as macOS writes names, without saying so
        return ""
    return (
        f"{len(unknown):,} names in the zip are not UTF-8, so they are read as {encoding}: "
        f"{name_some([unknown[0].filename])}. If that is unreadable, unpack the zip with the code "
        "page of its language, such as `unzip -O gbk`, `-O shift_jis` or `-O cp850`, and use the "
        "folder"
    )


def members(archive: Archive) -> list[str]:
    """Return the names of the files in the archive, sorted; folders are left out.

    A name that two members of a zip have occurs twice.
    """
    if archive.zip_file is None:
        return sorted(archive.md5s)
    infos = archive.zip_file.infolist()
    return sorted(
        info.filename for info in infos if not info.filename.endswith("/") or info.file_size
    )


def contents(archive: Archive) -> dict[str, str]:
    """Return text by file that is the same for the same content: a CRC and size, or an MD5."""
    if archive.zip_file is None:
        return archive.md5s
    infos = archive.zip_file.infolist()
    return {info.filename: f"{info.CRC:08x} {info.file_size}" for info in infos if info.file_size}


ABSOLUTE = "an absolute path"
UPWARD = "a path with .., backslashes or empty folders"


def require_safe(archive: Archive, name: str) -> zipfile.ZipInfo | None:
    """Return the entry of a member of a zip; None for a file of a list.

    Raises UnusableImageError for an unsafe name, and KeyError if the member does not exist.
    """
    info = None
    if archive.zip_file:
        info = archive.zip_file.getinfo(name)
        require_safe_name(info.orig_filename.replace("\\", "/"))  # it may have been cut
    elif name not in archive.md5s:
        raise KeyError(name)
    require_safe_name(name)
    return info


def require_safe_name(name: str) -> None:
    """Raise UnusableImageError for an unsafe name.

    It is absolute, or has `..`, a backslash, a drive letter, control characters or what ends a
    script in HTML.
    """
    if name.startswith("/") or name[1:2] == ":":
        raise UnusableImageError("unsafe_name", ABSOLUTE)
    parts = name.split("/")
    if ".." in parts or "" in parts or "\\" in name:
        raise UnusableImageError("unsafe_name", UPWARD)
    if CONTROL_CHARACTERS.search(name):
        raise UnusableImageError("unsafe_name", "control characters in the name")
    if "</" in name or "<!" in name:
        raise UnusableImageError("unsafe_name", "</ or <!, which DVC's plots would take for HTML")


def describe_unsafe(names: Iterable[str]) -> str:
    """Return text on images of which none has a safe name, with an example and what to do.

    Returns "" if one has, or without images. A program writes all names in an archive in the same
    way.
    """
    below = {name: "/".join(part for part in name.split("/") if part != "..") for name in names}
    images = [name for name in below if is_image_name(below[name])]
    details = []
    for name in images:
        try:
            require_safe_name(name)
            return ""
        except UnusableImageError as error:
            details.append(error.detail)
    if not images:
        return ""
    have = "image has" if len(images) == 1 else "images have"
    example = printable(repr(images[0]))
    return f"{len(images):,} {have} {details[0]}, such as {example}. {advise_on_name(details[0])}"


def advise_on_name(detail: str) -> str:
    """Return what to do about an unsafe name, from the detail of its UnusableImageError."""
    if detail in (ABSOLUTE, UPWARD):
        return "Unpack the archive, and give the folder with the images in its place."
    return "Rename the files."


def read_member(archive: Archive, name: str) -> bytes:
    """Return the bytes of a member, at most MAX_BYTES. Nothing is written to disk.

    Raises KeyError if there is none, and UnusableImageError for a member with an unsafe name, that
    is not a regular file, or that cannot be read completely; InputError for a file of the list that
    is missing, cannot be read, or has changed; OSError that names a zip that cannot be read.
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
    # zipfile decompresses other methods without regard to the size limit.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableImageError("unreadable", f"compression method {info.compress_type}")
    try:
        with naming(archive.filename), archive.zip_file.open(info) as file:
            data = file.read(info.file_size)  # the argument limits memory
    except BROKEN as error:
        raise UnusableImageError("unreadable", str(error) or "the data ends early") from None
    if len(data) < info.file_size:
        raise UnusableImageError("unreadable", f"{len(data)} of {info.file_size} bytes")
    return data


def _read_listed(archive: Archive, name: str) -> bytes:
    path = Path(archive.filename, name)
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UnusableImageError("too_large", f"{size:,} bytes")
        data = read_bytes(path)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() == archive.md5s[name]:
            return data
        received = "another one, changed since then. Run `dvc repro`"
    except FileNotFoundError:
        received = "no such file. If you removed it, run `dvc repro`; if not, "
        received += f"`dvc pull {archive.filename}` brings it"
    except OSError as error:
        raise InputError(describe_failure(error, "read")) from None
    raise InputError(
        f"{printable(str(path))}: expected the file that `fetch` listed. Received: {received}."
    )
