"""Generate the reference: the public Python API, the commands, the params and the stages."""

import argparse
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import BaseModel, WrapValidator

import pawprint
from pawprint.__main__ import COMMANDS, module_of
from pawprint.base.yaml_file import read_yaml
from pawprint.pipeline.params.model import Params

ROOT = Path(__file__).parents[2]
# Types that functions of the package return or raise, so that programs use them.
RESULTS = {
    "pawprint.model.predictor": ["Predictor"],
    "pawprint.model.metadata": ["Metadata"],
    "pawprint.given.archive": ["UnusableImageError"],
}
PYTHON = """# Python

A program imports `pawprint` and calls the function below. [Use the model](../use.md#in-python) has
examples.
"""
COMMANDS_PAGE = """# Commands

`pawprint COMMAND --help` prints the same text in the terminal.
"""
PARAMS = """# Values of params

The first stage checks `params.yaml` against these tables. [Params](../params.md) says what each
param does. The last column has the value in the example.
"""
STAGES = """# Stages

`dvc.yaml` lists these files and params. [Pipeline](../pipeline.md) says when a stage runs.
"""


def python_page() -> str:
    """Return the page of public functions and classes, which autodoc fills with docstrings."""
    own = pawprint.__all__
    objects = [("pawprint", name, getattr(pawprint, name)) for name in own] + [
        (module, name, getattr(importlib.import_module(module), name))
        for module, names in RESULTS.items()
        for name in names
    ]
    return PYTHON + "".join(
        _autodoc("class" if isinstance(value, type) else "function", f"{module}.{name}")
        for module, name, value in objects
    )


def _autodoc(kind: str, name: str) -> str:
    options = "   :members:\n" if kind == "class" else ""
    heading = name.rpartition(".")[2]
    return f"\n## {heading}\n\n```{{eval-rst}}\n.. auto{kind}:: {name}\n{options}```\n"


def commands_page() -> str:
    """Return the page of all commands, generated from their parsers."""
    return COMMANDS_PAGE + "".join(map(_command, COMMANDS))


def _command(name: str) -> str:
    command = importlib.import_module(module_of(name))
    # Wrap usage lines to the width of the page, whatever the terminal.
    wide = partial(argparse.HelpFormatter, width=90)
    parser = argparse.ArgumentParser(prog=f"pawprint {name}", formatter_class=wide, add_help=False)
    command.add_arguments(parser)
    usage = parser.format_usage().removeprefix("usage: ").replace("\n       ", "\n")
    rows = [row for action in parser._actions for row in _rows(action)]  # no public list of them
    description = _as_markdown(inspect.getdoc(command.run) or "")
    return (
        f"\n## {name}\n\n{description}\n\n```text\n{usage}```\n\n"
        f"{_table(['argument', 'meaning'], rows)}\n{parser.epilog or ''}\n"
    )


def _as_markdown(text: str) -> str:
    """Convert a docstring with indented examples to paragraphs and code blocks."""
    text = re.sub(r"((?:^  .*(?:\n|$))+)", r"\n```console\n\1\n```\n", text, flags=re.MULTILINE)
    return re.sub(r"^  (?=\S)", "$ ", text, flags=re.MULTILINE).replace("\n\n```\n", "\n```\n")


def _rows(action: argparse.Action) -> Iterator[tuple[str, str]]:
    """Yield each argument and its meaning. For subcommands, yield those of each."""
    if isinstance(action, argparse._SubParsersAction):
        for name, parser in action.choices.items():
            usage = parser.format_usage().partition(name)[2].replace(" [-h]", "").strip()
            help = next(part.help for part in action._choices_actions if part.dest == name)
            yield f"`{name} {usage}`", help or ""
        return
    value = action.metavar or action.dest
    if action.option_strings:
        takes = action.nargs != 0 and not action.choices
        metavar = action.metavar or action.dest.upper()
        value = ", ".join(action.option_strings) + (f" {metavar}" if takes else "")
    text = (action.help or "") % {**vars(action), "prog": "pawprint"}
    text = text.replace(f"{ROOT}/", "")  # the default of --model, wherever this is built
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    yield f"`{value}`", f"{text}; one of {choices}" if choices else text


def params_page() -> str:
    """Return the page of allowed values for each param, from the schema of params.yaml."""
    example = read_yaml(ROOT / "params.yaml")
    page = PARAMS
    for section, field in Params.model_fields.items():
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        rows = [
            (f"`{section}.{key}`", value, _yaml(example[section], key))
            for key, value in _values(model)
        ]
        page += f"\n## {section}\n\n{inspect.getdoc(model)}\n\n"
        page += _table(["param", "values", "example"], rows)
    return page


def stages_page() -> str:
    """Return the page of what each stage depends on and writes, from dvc.yaml."""
    page = STAGES
    for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        rows = [
            (title, ", ".join(f"`{_path(item)}`" for key in keys for item in stage.get(key, [])))
            for title, keys in (
                ("reads", ["deps"]),
                ("params", ["params"]),
                ("writes", ["outs", "metrics", "plots"]),
            )
        ]
        page += f"\n## {name}\n\n{stage['desc']}.\n\n{_table(['', ''], rows)}"
    return page


def _path(item: str | dict[str, dict]) -> str:
    """Return the path in an entry of dvc.yaml, which may have options."""
    return item if isinstance(item, str) else next(iter(item))


def _values(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield each key of a section and its allowed values."""
    schema = model.model_json_schema()
    for key, field in model.model_fields.items():
        own = [item.func for item in field.metadata if isinstance(item, WrapValidator)]
        # Such a validator has its own sentence, which messages also use:
        # pawprint/pipeline/params/section.py.
        text = own and isinstance(own[0], partial) and own[0].args[1]
        yield key, text or _describe(schema["properties"][key], schema.get("$defs", {}))


SIMPLE = {"string": "text", "boolean": "true or false", "null": "null"}


def _describe(schema: dict, parts: dict) -> str:
    """Describe a JSON schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(_describe(part, parts) for part in schema["anyOf"])
    if "$ref" in schema:
        part = parts[schema["$ref"].rpartition("/")[2]]
        keys = [f"`{key}`: {_describe(value, parts)}" for key, value in part["properties"].items()]
        return f"a mapping ({'; '.join(keys)})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "pattern" in schema:
        return "64 hexadecimal digits"
    if schema["type"] == "array":
        size = schema.get("minItems")
        return f"a list of {size} numbers" if size else "a list of names"
    return SIMPLE.get(schema["type"]) or _number(schema)


WORDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
}
NO_LIMIT = 2**31  # larger limits only keep numbers within their type


def _number(schema: dict) -> str:
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    limits = [word.format(schema[key]) for key, word in WORDS.items() if key in schema]
    return " ".join([kind, *(limit for limit in limits if int(float(limit.split()[1])) < NO_LIMIT)])


def _yaml(section: dict, key: str) -> str:
    """Return a value of params.yaml as code, or "" for a layer that the example does not use."""
    if key not in section:
        return ""
    value = section[key]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _table(head: list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [tuple(head), ("---",) * len(head), *rows]
    cells = ([cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in lines)
    return "".join(f"| {' | '.join(row)} |\n" for row in cells) if rows else ""
