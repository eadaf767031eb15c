"""The zip of images: its members, and packing one that has the same bytes every time."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from stages.shared.errors import InputError

# The earliest date a zip can hold: with a fixed date equal contents give equal bytes.
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading; `read` may be called from several threads.

    A missing file, or one that is not a whole zip, raises InputError.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such archive. Run `dvc repro` to fetch it.") from None
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: expected a zip archive. Received: {error}.") from None


def members(archive: zipfile.ZipFile) -> list[str]:
    """The names of the files in the archive as they stand there, sorted; folders left out."""
    return sorted(info.filename for info in archive.infolist() if not info.is_dir())


def pack(path: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write (member name, bytes) pairs to a zip in the order given, with a fixed date, stored.

    Images are compressed already, so deflating them again would cost time and save nothing.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents:
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), data)
