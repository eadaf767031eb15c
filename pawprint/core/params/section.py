"""A section of `params.yaml`, and how a stage reads the sections that it depends on."""

from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pawprint.core.errors import InputError
from pawprint.core.validation import explain
from pawprint.core.watched import watch
from pawprint.core.yaml import read_yaml

PARAMS = Path("params.yaml")
Kind = TypeVar("Kind", bound=BaseModel)


class Section(BaseModel):
    """Strict: unknown keys, conversions from strings and changes are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def load(cls, name: str | None = None, path: Path = PARAMS) -> Self:
        """The section of the file with this name; by default the lower-case name of the class.

        Raises InputError with one line for each wrong key. The stage `code` checks all sections.
        """
        name = name or cls.__name__.lower()

        def read() -> Self:
            content = read_yaml(path)
            given = content.get(name) if isinstance(content, dict) else None
            return checked(cls, given, path, [name])

        return watch(f"{path}: {name}", read)


def checked(kind: type[Kind], content: object, path: Path, inside: list[str]) -> Kind:
    """The content as a model. Raises InputError with one line for each wrong key.

    `inside` names the keys of the file in which the content stands.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        lines = (f"{path}: {line}" for line in explain(error, kind, inside))
        raise InputError("\n".join(lines)) from None
