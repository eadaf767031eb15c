"""One line for each wrong key that pydantic found."""

import difflib
import re
import reprlib
from typing import get_args

from pydantic import BaseModel, ValidationError

from pawprint.core.errors import printable
from pawprint.core.sources import without_secrets

# A received value is shortened to about one line.
REPR = reprlib.Repr()
REPR.maxstring = REPR.maxother = 80
MAX_CHOICES = 20  # named in a line
WORDS = {
    "Input should be ": "",
    "greater than": ">",
    "less than": "<",
    "> or equal to": ">=",
    "< or equal to": "<=",
}


def explain(error: ValidationError, model: type[BaseModel], inside: list[str]) -> list[str]:
    """Lines such as `section.key: expected > 0. Received: -1`, printable on any terminal.

    `inside` names the keys in which the content of the model stands.
    """
    return [printable(_line(problem, model, inside)) for problem in error.errors()]


def _line(problem: dict, model: type[BaseModel], inside: list[str]) -> str:
    within = [str(name) for name in problem["loc"]]
    names = inside + within
    key = ".".join(names)
    if problem["type"] == "missing":
        return f"{key}: expected this key. Received: none"
    if problem["type"] == "extra_forbidden":
        known = _keys_of(model, within[:-1])
        near = difflib.get_close_matches(names[-1], known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}"
        return f"{key}: unknown key. {hint}"
    if problem["type"] == "value_error":
        return ": ".join(filter(None, [key, str(problem["ctx"]["error"])]))
    if problem["type"] == "model_type":
        expected = f"a mapping with {', '.join(_keys_of(model, within))}"
    else:
        expected = problem["msg"]
        for words, short in WORDS.items():
            expected = expected.replace(words, short)
        choices = re.findall(r"'(\w+)'", expected)
        if len(choices) > MAX_CHOICES:
            near = difflib.get_close_matches(str(problem["input"])[:80], choices, n=3, cutoff=0.4)
            first = f"{', '.join(near)} or another" if near else "one"
            expected = f"{first} of {len(choices)} names (docs/backbones.md)"
    return f"{key or 'whole file'}: expected {expected}. Received: {_received(problem['input'])}"


def _received(value: object) -> str:
    """What is inside a mapping or a list may be secret."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return REPR.repr(without_secrets(value) if isinstance(value, str) else value)


def _keys_of(model: type[BaseModel], section: list[str]) -> list[str]:
    for name in section:
        annotation = model.model_fields[name].annotation
        model = next(iter(get_args(annotation)), annotation)  # `Section | None` to Section
    return list(model.model_fields)
