"""A YAML file as the source of the images: the URL of an archive and, if known, its SHA-256."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from pawprint.core.errors import InputError
from pawprint.core.params.section import Section
from pawprint.core.params.types import Sha256
from pawprint.core.validation import explain
from pawprint.core.yaml import read_yaml


class Source(Section):
    url: Annotated[str, Field(pattern="^https?://[^/]+/.*[^/]$")]  # of a file, not of a folder
    sha256: Sha256 | None = None


def read_source(path: Path) -> Source:
    """Read and check the file. Raises InputError with one line for each wrong key."""
    try:
        return Source.model_validate(read_yaml(path))
    except ValidationError as error:
        raise InputError(
            "\n".join(f"{path}: {line}" for line in explain(error, Source, []))
        ) from None
