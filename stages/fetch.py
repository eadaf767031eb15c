"""Bring the images in as one zip, unchanged: nothing is ever unpacked.

Reads `fetch.source`: a URL, a zip, a folder with one subfolder per class, or `drawn`.
Params: `fetch`. Writes data/raw/images.zip. Run: `python -m stages.fetch`
"""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from stages.shared import paths
from stages.shared.archive import pack
from stages.shared.download import locate, verify
from stages.shared.drawings import drawn_dataset
from stages.shared.errors import InputError, printable
from stages.shared.params import Fetch, load_params
from stages.shared.records import replacing


def fetch(params: Fetch, target: Path) -> None:
    """Write the archive of images to `target`.

    A zip is copied as it is, a folder is packed into a zip that has the same bytes every time,
    and `drawn` draws cats and dogs, which needs no network. Raises InputError if the source
    cannot be had, is no zip, or has another SHA-256 than `fetch.sha256`.
    """
    with replacing(target) as partial:
        if params.source == "drawn":
            pack(partial, drawn_dataset())
        else:
            source = locate(params.source, params.sha256, "fetch.source", zipfile.is_zipfile)
            if source.is_dir():
                pack(partial, _files(source))
            elif zipfile.is_zipfile(source):
                shutil.copyfile(source, partial)
            else:
                raise InputError(
                    f"fetch.source: expected a zip archive or a folder. Received: {source}, "
                    "which is neither."
                )
        verify(partial, params.sha256, "fetch.sha256")


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(path below the folder, bytes) of every file, sorted, so that packing is repeatable.

    One file is in memory at a time. Raises InputError for what is neither file nor folder, such
    as a link that leads nowhere.
    """
    found = sorted(path for path in folder.rglob("*") if not path.is_dir())
    if not found:
        raise InputError(f"fetch.source: expected images in {folder}. Received: an empty folder.")
    for path in found:
        if not path.is_file():
            raise InputError(
                f"fetch.source: expected files and folders. Received: {printable(str(path))}, "
                "which is neither, or a link that leads nowhere."
            )
        yield _member_name(path.relative_to(folder)), path.read_bytes()


def _member_name(path: Path) -> str:
    """The path with slashes; bytes that are no UTF-8 are read as in a zip that says no encoding."""
    name = path.as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp437")
    return name


def main() -> None:
    params = load_params()
    fetch(params.fetch, paths.RAW_IMAGES)
    print(f"fetch: {paths.RAW_IMAGES.stat().st_size:,} bytes from {params.fetch.source}")


if __name__ == "__main__":
    main()
