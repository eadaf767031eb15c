"""Read YAML as DVC does.

DVC reads and writes YAML 1.2, so `dvc exp run -S train.learning_rate=0.000001` writes the number
`1e-6`. PyYAML follows YAML 1.1, where `1e-6` is a string, `no` is False and `017` is 15. Therefore,
YAML is read here with the scalars of YAML 1.2, and duplicate keys are rejected. There are known
differences from DVC's reader (ruamel.yaml): here, `1_000`, `0b101`, `0o17`, `0x1F` and dates such
as `2001-01-01` are strings, `.5e2` is a number, and `?` may be part of a text in braces.
"""

import copy
import functools
import re
from pathlib import Path

import yaml

from pawprint.base.errors import InputError, printable
from pawprint.base.files import read_text

TAG = "tag:yaml.org,2002:"
MAX_DEPTH = 100  # maximum levels of lists and mappings


class Loader(yaml.CSafeLoader):
    """A separate loader, because changing CSafeLoader would affect every library.

    Each stage parses dvc.yaml, which takes 3 ms in C and 26 ms in Python.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own attribute; without YAML 1.1's

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.checked: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Reject duplicate keys once, because later they would look like merged keys."""
        seen = set()
        for key, _ in () if node in self.checked else node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"found the key {key.value!r} twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        self.checked.add(node)
        super().flatten_mapping(node)


# The core schema of YAML 1.2: https://yaml.org/spec/1.2.2/#1032-tag-resolution. Like DVC's reader,
# this one also accepts merge keys.
for name, pattern in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
    ("merge", "<<"),
):
    Loader.add_implicit_resolver(TAG + name, re.compile(rf"^(?:{pattern})$"), first=None)


def _construct_int(loader: Loader, node: yaml.ScalarNode) -> int:
    """Convert a decimal number. PyYAML would read `017` as octal, as in YAML 1.1."""
    return int(loader.construct_scalar(node))


Loader.add_constructor(TAG + "int", _construct_int)


def read_yaml(path: Path) -> object:
    """Return the content of a YAML file. Raises InputError if it is missing or not YAML."""
    return parse_yaml(read_text(path), str(path))


def read_mapping(path: Path) -> dict:
    """Return the mapping in a YAML file. Raises InputError like `read_text` and `parse_mapping`."""
    return parse_mapping(read_text(path), str(path))


def parse_mapping(text: str, name: str) -> dict:
    """Return the mapping in a YAML document, or {} if it is empty.

    Raises InputError, which begins with `name`, for any other content.
    """
    content = parse_yaml(text, name)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{name}: expected keys with values. Received: other YAML. Correct it.")
    return content


# A stage parses params.yaml for each section that it loads, and before and after it runs.
@functools.lru_cache(maxsize=2)
def _load_yaml(text: str) -> object:
    depth = 0
    for event in yaml.parse(text, Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:  # in C, too many levels would end the process
            raise yaml.YAMLError(f"more than {MAX_DEPTH} levels")
    return yaml.load(text, Loader)


def parse_yaml(text: str, name: str) -> object:
    """Return the content of a YAML document. Raises InputError, which begins with `name`."""
    try:
        return copy.deepcopy(_load_yaml(text))
    # PyYAML lets other errors through, such as for int("x"), a wrong !!bool or deep lists.
    except (yaml.YAMLError, AttributeError, LookupError, RecursionError, ValueError) as error:
        problem = str(error)
        if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
            # The line itself may contain a password.
            problem = f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
        problem = " ".join(problem.split()) or type(error).__name__
        raise InputError(f"{name}: expected YAML. Received: {printable(problem)}") from None


def value_at(content: object, *keys: str | int) -> object:
    """Return a value in nested mappings and lists, or None if it is missing."""
    for key in keys:
        if isinstance(content, dict):
            content = content.get(key)
        elif isinstance(content, list) and isinstance(key, int) and key < len(content):
            content = content[key]
        else:
            return None
    return content
