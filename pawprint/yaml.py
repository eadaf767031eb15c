"""Read YAML as DVC does: with the scalars of YAML 1.2, and each key once.

PyYAML resolves scalars as YAML 1.1: `1e-6` is a string, `no` is False and `017` is 15. DVC reads
and writes YAML 1.2, so `dvc exp run -S train.learning_rate=0.000001` writes `1e-6` for a number.
Known differences from DVC's reader (ruamel.yaml): `1_000`, `0b101`, `0o17`, `0x1F` and dates such
as `2001-01-01` are strings here, and `.5e2` is a number.
"""

import re
from pathlib import Path

import yaml

from pawprint.errors import InputError, printable
from pawprint.files import read_text

TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """A loader of its own, because a change of SafeLoader would change it for every library."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own attribute; without YAML 1.1's

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Refuse a key that occurs twice. Once constructed, merged keys would look like it too."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.composer.ComposerError(
                        None, None, f"found the key {key.value!r} twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node


# YAML 1.2, core schema: https://yaml.org/spec/1.2.2/#1032-tag-resolution. As DVC's reader, this one
# also accepts merge keys. `first` lists the possible first characters.
for name, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(TAG + name, re.compile(rf"^(?:{pattern})$"), first)
# PyYAML reads `017` as octal, as YAML 1.1 does.
_Loader.add_constructor(TAG + "int", lambda loader, node: int(loader.construct_scalar(node)))


def read_yaml(path: Path) -> object:
    """The content of a UTF-8 file. Raises InputError if it is missing or no YAML."""
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, name: str) -> object:
    """The content of a YAML document. Raises InputError that begins with `name` if it is none."""
    try:
        return yaml.load(text, _Loader)
    # PyYAML lets errors of what it calls pass: int("x"), an unknown !!bool, nested lists.
    except (yaml.YAMLError, AttributeError, LookupError, RecursionError, ValueError) as error:
        if mark := getattr(error, "problem_mark", None):  # the line itself may hold a password
            error = f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: expected YAML. Received: {printable(reason)}") from None
