"""The zip of images: its members, and packing one that has the same bytes every time."""

import stat
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image

from pawprint.core.errors import CONTROL_CHARACTERS, InputError
from pawprint.images.unusable import UnusableImageError

# Pillow's own threshold for a decompression bomb: a quarter of a gigabyte of RGB pixels.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS
MAX_BYTES = 3 * MAX_PIXELS  # what the largest picture takes uncompressed


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading; members may be read from several threads.

    A missing file, or one that is not a whole zip, raises InputError. So does one whose members
    share their bytes, as in zip bombs: reading all members takes at most deflate's 1,032 times
    the bytes of the archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such archive. Run `dvc repro` to fetch it.") from None
    except OSError as error:
        raise InputError(f"{path}: expected a readable file. Received: {error}") from None
    # Besides BadZipFile, what zipfile raises for a directory of members that is no such thing.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise InputError(f"{path}: expected a whole zip archive. Received: {error}") from None
    size = path.stat().st_size
    listed = sum(info.compress_size for info in archive.infolist())
    lie_inside = all(0 <= info.header_offset < size for info in archive.infolist())
    if listed > size or not lie_inside:
        archive.close()
        raise InputError(
            f"{path}: expected a whole zip archive. Received: {size:,} bytes, whose directory "
            f"lists {listed:,} bytes of members{'' if lie_inside else ', some outside the file'}."
        )
    return archive


def members(archive: zipfile.ZipFile) -> list[str]:
    """The names of the files in the archive as they stand there, sorted; folders left out.

    A name that two members share stands twice.
    """
    return sorted(
        info.filename
        for info in archive.infolist()
        if not info.filename.endswith("/") or info.file_size
    )


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, at most MAX_BYTES, read as it is named: nothing is ever unpacked.

    Raises UnusableImageError for what is no plain file, for bytes that the archive does not give
    whole, and for names that are not the same file everywhere: absolute ones, with `..`, a
    backslash (Windows' separator), a colon after its drive, or control characters.
    """
    info = archive.getinfo(name)
    raw = info.orig_filename  # zipfile ends names at a zero byte, and on Windows turns backslashes
    parts = raw.split("/")
    if ".." in parts or "" in parts or "\\" in raw or raw[1:2] == ":":
        raise UnusableImageError("unsafe_name", "expected a relative path with / and without ..")
    if CONTROL_CHARACTERS.search(raw):
        raise UnusableImageError("unsafe_name", "control characters in the name")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise UnusableImageError("not_a_file", f"{stat.filemode(kind)[0]} in its mode")
    if info.flag_bits & 1:
        raise UnusableImageError("encrypted", "a password is needed")
    if info.file_size > MAX_BYTES:
        raise UnusableImageError("too_large", f"{info.file_size:,} bytes")
    # Other methods are decompressed whole, whatever size the archive says.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableImageError("unreadable", f"compression method {info.compress_type}")
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size)  # without a number it is no bound
    # zipfile reports broken members through any of these.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise UnusableImageError("unreadable", str(error) or "its bytes end early") from None
    if len(data) < info.file_size:
        raise UnusableImageError("unreadable", f"{len(data)} of {info.file_size} bytes")
    return data
