"""Read YAML with the parser that DVC has: the scalars of YAML 1.2, and each key once.

`1e-6`, which `dvc exp run -S train_finetune.learning_rate=0.000001` writes, is a number, and `no`
is a string. PyYAML reads both as YAML 1.1 does.
"""

from pathlib import Path

from ruamel.yaml import YAML

from pawprint.core.errors import InputError, printable


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
    except Exception as error:  # any type, as for !!int x or nested lists
        reason = " ".join(str(error).split()) or type(error).__name__
        if mark := getattr(error, "problem_mark", None):  # the value itself may be a password
            problem = error.problem.split(" with value ")[0]
            reason = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
        raise InputError(f"{name}: expected YAML. Received: {printable(reason)}") from None
