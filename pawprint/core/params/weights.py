"""Where the pre-trained weights come from."""

from pydantic import field_validator

from pawprint.core.params.section import Section
from pawprint.core.params.types import Sha256, Source
from pawprint.core.sources import without_secrets


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
