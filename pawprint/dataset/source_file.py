"""A YAML file as the source of the images: the URL of an archive and, if known, its SHA-256."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pawprint.core.params.section import Section, checked
from pawprint.core.params.types import Sha256
from pawprint.core.yaml import read_yaml


class Source(Section):
    url: Annotated[str, Field(pattern="^https?://[^/]+/.*[^/]$")]  # of a file, not of a folder
    sha256: Sha256 | None = None


def read_source(path: Path) -> Source:
    """Read and check the file. Raises InputError with one line for each wrong key."""
    return checked(Source, read_yaml(path), path, [])
