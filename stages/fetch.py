"""Fetch the images as one zip archive; nothing is unpacked.

Reads `fetch.source`: a folder with one subfolder per class, a zip or a tar of such a folder, a URL
of one, or a CSV or TSV that lists paths and labels. Params: `fetch`. Writes data/raw/archives/:
images.zip, and for a CSV or TSV the labels in table.csv. Run: `python -m stages.fetch`
"""

import shutil
import zipfile
from pathlib import Path

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import pack, replacing
from pawprint.core.params import load_params
from pawprint.core.sources import without_secrets
from pawprint.core.tables import SOURCE_TABLE, write_table
from pawprint.dataset.download import locate, require_watched, verify
from pawprint.dataset.packing import folder_files
from pawprint.dataset.source_table import is_table, read_source_table, table_files
from pawprint.dataset.tar import is_tar, tar_files


def fetch(source: str, sha256: str | None, images: Path, labels: Path) -> None:
    """Write the archive of images and, if the source is a table, its rows to `labels`.

    A zip is copied; other sources are packed, with the same bytes every time. The SHA-256 is that
    of a zip or tar as it is, and of the packed zip for the others. Raises InputError if the source
    is missing or none of these, or has another SHA-256 than the one given.
    """
    found = locate(source, sha256, "fetch.source", lambda path: is_tar(path) or _is_zip(path))
    table = None
    with replacing(images) as partial:
        verified = partial
        if found.is_dir():
            pack(partial, folder_files(found))
        elif is_tar(found):
            verified = found
            pack(partial, tar_files(found))
        elif _is_zip(found):
            shutil.copyfile(found, partial)
        elif is_table(found):
            table = read_source_table(found)
            pack(partial, table_files(found, table))
        else:
            raise InputError(
                "fetch.source: expected a folder, a zip, a tar, or a .csv or .tsv of path,label. "
                f"Received: {found}, which is none of them."
            )
        verify(verified, sha256, "fetch.sha256")
    if table is None:
        labels.unlink(missing_ok=True)  # of an earlier source
    else:
        write_table(labels, table, SOURCE_TABLE)


def _is_zip(path: Path | str) -> bool:
    return zipfile.is_zipfile(path)


def main() -> None:
    params = load_params()
    require_watched(params.fetch.source, params.fetch.watch)
    fetch(params.fetch.source, params.fetch.sha256, paths.RAW_IMAGES, paths.RAW_TABLE)
    source = without_secrets(params.fetch.source)
    print(f"fetch: {paths.RAW_IMAGES.stat().st_size:,} bytes from {source}")


if __name__ == "__main__":
    main()
