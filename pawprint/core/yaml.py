"""Read YAML as DVC does, by the same library: with the scalars of YAML 1.2, and each key once.

PyYAML has the scalars of YAML 1.1: `1e-6` is a string, `no` is False and `017` is 15.
"""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pawprint.core.errors import InputError, printable, reason


def read_yaml(path: Path) -> object:
    """The content of a UTF-8 file. Raises InputError if it is missing or no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable text file. Received: {error}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> object:
    """The content of a YAML document. Raises InputError that begins with `name` if it is none."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        problem, _, _ = error.problem.partition(" with value")  # which may hold a password
        received = f"{problem} in line {error.problem_mark.line + 1}"
    # ruamel.yaml lets errors of what it calls pass: int("x"), an unknown !!bool, nested lists.
    except (
        YAMLError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        ValueError,
    ) as error:
        received = reason(error)
    raise InputError(f"{name}: expected YAML. Received: {printable(received)}")
