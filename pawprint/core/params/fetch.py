"""Where the images come from."""

from collections.abc import Callable
from typing import Annotated

from pydantic import (
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
)
from pydantic_core import PydanticCustomError

from pawprint.core.params.section import Section
from pawprint.core.params.types import Sha256, Text


def _one_or_more(value: object, validate: Callable) -> list:
    """A list; of a single value a list of one, but its error names no position in a list."""
    if isinstance(value, list):
        return validate(value)
    try:
        return validate([value])
    except ValidationError as error:
        problem = error.errors()[0]
        raise PydanticCustomError(problem["type"], problem["msg"]) from None


def _one_if_equal(values: list) -> object:
    return values[0] if len(set(values)) == 1 else values


ONE_OR_MORE = (Field(min_length=1), WrapValidator(_one_or_more), PlainSerializer(_one_if_equal))


class Fetch(Section):
    source: Annotated[list[Text], *ONE_OR_MORE]
    watch: Text
    sha256: Annotated[list[Sha256 | None], *ONE_OR_MORE]

    @field_validator("sha256")
    @classmethod
    def _one_for_each_source(
        cls, hashes: list[str | None], info: ValidationInfo
    ) -> list[str | None]:
        sources = info.data.get("source", hashes)  # missing if it is wrong itself
        if hashes == [None]:
            return hashes * len(sources)
        if len(hashes) != len(sources):
            raise ValueError(
                f"expected null, or as many hashes as sources: {len(sources)}. "
                f"Received: {len(hashes)}"
            )
        return hashes
