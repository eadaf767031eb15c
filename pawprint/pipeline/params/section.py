"""Define sections of `params.yaml`: types, reading, messages about errors, and changes."""

import difflib
import json
import re
import reprlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from pawprint.base.errors import InputError, printable, without_secrets
from pawprint.base.paths import PARAMS
from pawprint.base.yaml_file import read_mapping

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def _without_home_or_secret(path: str) -> str:
    if path == "~" or path.startswith("~/"):  # neither DVC nor Python expands it
        raise ValueError(f"expected a path. Write the home folder in full. Received: {path!r}")
    if without_secrets(path) != path:  # Git and DVC show this file to everybody
        raise ValueError(
            "expected a path without password, token or query. Download the file and write its "
            f"path. Received: {path!r}"
        )
    return path


# Counts fit in 32 bits. A larger one is a mistake, and would overflow later.
Count = Annotated[int, Field(ge=1, lt=2**31)]
WholeNumber = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
UpToOne = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Source = Annotated[Text, AfterValidator(_without_home_or_secret)]
Bits = Annotated[int, Field(ge=1, le=16)] | None
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Resize = Literal["crop", "pad", "stretch"]


def either(specials: tuple, expected: str, is_right: Callable[[object], bool]) -> WrapValidator:
    """Accept `specials`, or values of another type, which are validated if `is_right`.

    A wrong value is reported in one line, although pydantic has one for each type in a union.
    """
    return WrapValidator(partial(_check, specials, expected, is_right))


def _check(
    specials: tuple,
    expected: str,
    is_right: Callable[[object], bool],
    value: object,
    validate: Callable[[object], object],
) -> object:
    if value in specials:
        return value
    if not is_right(value):
        raise ValueError(f"expected {expected}. Received: {shown(value)}")
    return validate(value)


MAX_CHOICES = 20  # maximum number of choices in a line
REPR = reprlib.Repr()
REPR.maxstring = REPR.maxother = 80


def _line(problem: "ErrorDetails", model: type[BaseModel], inside: list[str]) -> str:
    """Return a line such as `section.key: expected greater than 0. Received: -1`.

    `inside` lists the keys that contain the content of the model.
    """
    within = [str(name) for name in problem["loc"] if name != "[key]"]
    names = inside + within
    key = ".".join(names)
    if problem["type"] == "missing":
        return f"{key}: expected this key. Received: none"
    if problem["type"] == "extra_forbidden":
        keys = _keys_of(model, within[:-1])
        near = difflib.get_close_matches(names[-1], keys, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Remove it. Known keys: {', '.join(keys)}"
        return f"{key}: unknown key. {hint}"
    if problem["type"] == "value_error":
        return ": ".join(filter(None, [key, str(problem["ctx"]["error"])]))
    if problem["type"] == "model_type":
        expected = f"a mapping with {', '.join(_keys_of(model, within))}"
    else:
        expected = problem["msg"].removeprefix("Input should be ")
        expected = expected.replace("String should", "text to").replace("List should", "a list to")
        choices = re.findall(r"'(\w+)'", expected)
        if len(choices) > MAX_CHOICES:
            near = difflib.get_close_matches(str(problem["input"])[:80], choices, n=3, cutoff=0.4)
            first = f"{', '.join(near)} or another" if near else "one"
            expected = f"{first} of {len(choices)} names (`pawprint docs backbones`)"
    if problem["type"] == "string_type" and isinstance(problem["input"], int | float):
        expected = f"text: write {str(problem['input'])!r} in quotes"  # YAML reads it as a number
    return f"{key or 'whole file'}: expected {expected}. Received: {shown(problem['input'])}"


def shown(value: object) -> str:
    """Format a value for a message, as YAML shortened to about one line.

    The content of a mapping, list or set is not shown, because it may be secret.
    """
    if isinstance(value, BaseModel | dict):
        return "a mapping"
    if isinstance(value, list | set):
        return f"a {type(value).__name__}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return REPR.repr(without_secrets(value) if isinstance(value, str) else value)


def _keys_of(model: type[BaseModel], section: list[str]) -> list[str]:
    for name in section:
        annotation = model.model_fields[name].annotation
        kinds = (*get_args(annotation), annotation)  # from `Section | None` to Section
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section))
    return list(model.model_fields)


Kind = TypeVar("Kind", bound=BaseModel)


class Section(BaseModel):
    """A strict model: unknown keys, conversions from strings, and changes raise errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def with_one_of(self, first: str, second: str) -> Self:
        """Return the section, or raise ValueError if both params are set."""
        if None not in (getattr(self, first), getattr(self, second)):
            raise ValueError(
                f"expected {first} or {second}, and null for the other. Received: both"
            )
        return self

    @classmethod
    def load(cls, path: Path = PARAMS) -> Self:
        """Read the section named after the class, such as `train_extract` for TrainExtract.

        Raises InputError with one line for each wrong key. The `code` stage checks all sections.
        """
        name = re.sub(r"\B([A-Z])", r"_\1", cls.__name__).lower()
        return check_content(cls, read_mapping(path).get(name), path, [name])


def check_content(kind: type[Kind], content: object, path: Path, inside: list[str]) -> Kind:
    """Validate content against a model. Raises InputError with one line for each wrong key.

    `inside` lists the keys in the file that contain the content.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        # First, misspelt keys with what they should be. The right keys are also missing.
        problems = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        lines = (printable(_line(problem, kind, inside)) for problem in problems)
        raise InputError("\n".join(f"{path}: {line}" for line in lines)) from None


UNSET = "not set"


def describe_param_changes(before: Mapping, after: Mapping) -> list[str]:
    """Return text such as "model.alpha: 0.35 → null" for each param that differs.

    Both arguments map either names, such as `model.alpha`, or sections to values as in JSON. If a
    param is missing from one of the two, its value is "not set", which is considered equal to null.
    """
    found = _differences(before, after)
    return [f"{name}: {_text(old)} → {_text(new)}" for name, (old, new) in found.items()]


def _differences(before: Mapping, after: Mapping) -> dict[str, tuple[object, object]]:
    """Return both values of each entry that differs, keyed by name, such as `model.alpha`."""
    found: dict[str, tuple[object, object]] = {}
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            inner = _differences(old, new)
            found |= {f"{name}.{key}": pair for key, pair in inner.items()}
        elif old != new or isinstance(old, bool) != isinstance(new, bool):
            found[name] = before.get(name, UNSET), after.get(name, UNSET)
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
