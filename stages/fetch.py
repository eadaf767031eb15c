"""Fetch the images as one zip archive; nothing is unpacked.

Reads `fetch.source`: a URL, a zip, or a folder with one subfolder per class. Params: `fetch`.
Writes data/raw/archives/. Run: `python -m stages.fetch`
"""

import shutil
import zipfile
from pathlib import Path

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import pack, replacing
from pawprint.core.params import load_params
from pawprint.core.sources import without_secrets
from pawprint.dataset.download import locate, require_watched, verify
from pawprint.dataset.packing import folder_files


def fetch(source: str, sha256: str | None, target: Path) -> None:
    """Write the archive of images to `target`.

    A zip is copied; a folder is packed, with the same bytes every time. Raises InputError if the
    source is missing or not a zip, or the archive has another SHA-256 than the one given.
    """
    found = locate(source, sha256, "fetch.source", zipfile.is_zipfile)
    with replacing(target) as partial:
        if found.is_dir():
            pack(partial, folder_files(found))
        elif zipfile.is_zipfile(found):
            shutil.copyfile(found, partial)
        else:
            raise InputError(
                f"fetch.source: expected a zip archive or a folder. Received: {found}, "
                "which is neither."
            )
        verify(partial, sha256, "fetch.sha256")


def main() -> None:
    params = load_params()
    require_watched(params.fetch.source, params.fetch.watch)
    fetch(params.fetch.source, params.fetch.sha256, paths.RAW_IMAGES)
    source = without_secrets(params.fetch.source)
    print(f"fetch: {paths.RAW_IMAGES.stat().st_size:,} bytes from {source}")


if __name__ == "__main__":
    main()
