"""The zip of images: its members, and packing one that has the same bytes every time."""

import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

from stages.shared.errors import InputError

# The earliest date a zip can hold: with a fixed date equal contents give equal bytes.
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


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


def pack(path: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, bytes) pairs to a zip in the order given, with a fixed date, stored.

    Images are compressed already, so deflating them again would cost time and save nothing.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents:
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), data)
