"""Bring in the archive of images, unchanged: nothing is unpacked.

Reads `fetch.source`: a URL, a zip, or a folder with one subfolder per class. Params: `fetch`.
Writes data/raw/archives/. Run: `python -m stages.fetch`
"""

import shutil
import zipfile
from pathlib import Path

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import pack, replacing
from pawprint.core.params import Fetch, load_params
from pawprint.dataset.download import locate, verify
from pawprint.dataset.packing import folder_files


def fetch(params: Fetch, target: Path) -> None:
    """Write the archive of images to `target`.

    A zip is copied as it is; a folder is packed into a zip that has the same bytes every time.
    Raises InputError if the source is missing, is no zip, or has another SHA-256 than
    `fetch.sha256`.
    """
    source = locate(params.source, params.sha256, "fetch.source", zipfile.is_zipfile)
    with replacing(target) as partial:
        if source.is_dir():
            pack(partial, folder_files(source))
        elif zipfile.is_zipfile(source):
            shutil.copyfile(source, partial)
        else:
            raise InputError(
                f"fetch.source: expected a zip archive or a folder. Received: {source}, "
                "which is neither."
            )
        verify(partial, params.sha256, "fetch.sha256")


def main() -> None:
    params = load_params()
    fetch(params.fetch, paths.RAW_IMAGES)
    print(f"fetch: {paths.RAW_IMAGES.stat().st_size:,} bytes from {params.fetch.source}")


if __name__ == "__main__":
    main()
