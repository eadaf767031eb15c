"""Bring images in as zip archives."""

import shutil
import zipfile
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pawprint.core.errors import InputError
from pawprint.core.files import pack, replacing
from pawprint.core.params.section import Section, checked
from pawprint.core.params.types import Sha256
from pawprint.core.yaml import read_yaml
from pawprint.dataset.download import download
from pawprint.dataset.packing import folder_files, parts_of
from pawprint.dataset.tar import is_tar, tar_files

IMAGES = "images.zip"  # or images-001.zip and so on


class Source(Section):
    """A YAML file as the source: the URL of an archive and, if known, its SHA-256."""

    url: Annotated[str, Field(pattern="^https?://[^/]+/.*[^/]$")]  # of a file, not of a folder
    sha256: Sha256 | None = None


def fetch(source: Path, folder: Path) -> None:
    """Write the archives of images to the folder.

    A zip is copied; a folder or a tar is packed, with the same bytes every time. Raises InputError
    if the source is missing or none of these.
    """
    if source.is_file() and source.suffix in (".yaml", ".yml"):
        remote = checked(Source, read_yaml(source), source, [])
        source = download(remote.url, remote.sha256, str(source))
    if not source.is_dir() and not source.is_file():  # a pipe would never end
        raise _no_source(source)
    with replacing(folder) as partial:
        partial.mkdir()
        images = partial / IMAGES
        if source.is_dir():
            parts = parts_of(folder_files(source))
            for number, part in enumerate(parts, 1):
                name = f"{images.stem}-{number:03}" if parts[1:] else images.stem
                files = ((member, path.read_bytes()) for member, path in part)
                pack(images.with_stem(name), files)
        elif is_tar(source):
            pack(images, tar_files(source))
        elif zipfile.is_zipfile(source):
            shutil.copyfile(source, images)
        else:
            raise _no_source(source)


def _no_source(source: Path) -> InputError:
    received = "is neither file nor folder" if source.exists() else "does not exist"
    if source.is_file():
        with source.open("rb") as file:
            received = f"begins with {file.read(40)!r}"
    return InputError(
        "fetch.source: expected the path of a folder, a zip, a tar, or a .yaml with the url of "
        f"one. Received: {str(source)!r}, which {received}."
    )
