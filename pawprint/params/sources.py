"""Where images and pre-trained weights come from."""

from pydantic import field_validator

from pawprint.errors import without_secrets
from pawprint.params.section import Section, Sha256, Source


class Fetch(Section):
    source: Source

    @field_validator("source")
    @classmethod
    def _is_local(cls, source: str) -> str:
        """Refused before DVC looks for such a file, and prints its name with the password."""
        if "://" in source or without_secrets(source) != source:
            raise ValueError(
                "expected a local path. Write the URL into a YAML file: docs/images.md. Received: "
                f"{source!r}"
            )
        return source


class Weights(Section):
    source: Source
    sha256: Sha256 | None

    @field_validator("source")
    @classmethod
    def _has_no_secret(cls, source: str) -> str:
        """Git and DVC show this file to everybody."""
        if without_secrets(source) != source:
            raise ValueError(
                "expected a URL without password, token or query. Download the file and write its "
                f"path. Received: {source!r}"
            )
        return source
