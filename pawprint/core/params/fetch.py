"""Where the images come from."""

from pydantic import field_validator

from pawprint.core.params.section import Section
from pawprint.core.params.types import Source
from pawprint.core.sources import without_secrets


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
