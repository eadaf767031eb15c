"""Write params.yaml: the default params of a new project, recipes, and changes.

Changes replace values in the text, so that comments, order and all else stay.
"""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

import yaml
from pydantic.fields import FieldInfo

from pawprint.base.errors import InputError, printable
from pawprint.base.files import read_text, write_text
from pawprint.base.package import PACKAGE, template
from pawprint.base.paths import PARAMS
from pawprint.base.yaml_file import Loader, parse_mapping, parse_yaml
from pawprint.pipeline.params.model import Params
from pawprint.pipeline.params.section import check_content, describe_param_changes

# The recipe with the default params. Its network is the best one for its cost on eleven data sets,
# and a single view is enough for a fitted head (docs/decisions/37). Fine-tuning only helps on a few
# of ten data sets (docs/decisions/01).
DEFAULT_RECIPE = "efficientnet-lite0"
RECIPES = PACKAGE / "recipes"
BYTE_ORDER_MARK = "\ufeff"  # of Notepad; PyYAML does not count it in places


def default_params(recipe: str = DEFAULT_RECIPE) -> str:
    """Return the text of `params.yaml` for a new project."""
    return set_values(template(PARAMS.name), recipe_values(recipe))


def recipe_names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(name: str) -> str:
    """Return a recipe's text."""
    return (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")


def recipe_values(name: str) -> dict[str, object]:
    """Return the values of a recipe, keyed like `set_values`.

    A param that this recipe does not set has its value from `cats-and-dogs`. Params that neither
    sets, such as seeds, are left out.
    """
    return flat(read_recipe("cats-and-dogs")) | flat(read_recipe(name))


def set_values(params: str, values: Mapping[str, object]) -> str:
    """Change values by name, such as `model.alpha`.

    All other text stays the same. Raises InputError if the text is not YAML, if it lacks a name
    that is not optional, or if YAML other than one param per line stands in the way.
    """
    flat(params)
    text = params.removeprefix(BYTE_ORDER_MARK)
    text = text if text.endswith("\n") else f"{text}\n"
    for name, value in values.items():
        text = _set_value(text, name, value)
        is_set = False
        with contextlib.suppress(InputError):  # an anchor of another value is gone, for example
            is_set = flat(text).get(name) == value
        if not is_set:
            raise InputError(
                f"{PARAMS}: cannot set {name}. Write one param per line, as in `pawprint docs "
                "params`."
            )
    return text


def _set_value(params: str, name: str, value: object) -> str:
    keys, found = _find(params, name)
    is_gone = value is None and is_optional(name)
    if not found:
        return params if is_gone else _insert(params, keys, name, value)
    if is_gone and not keys.flow_style:  # in braces, null means the same
        return _remove(params, found)
    return _replace(params, found, value)


Pair = tuple[yaml.ScalarNode, yaml.Node]  # a key of a mapping and its value


def _find(params: str, name: str) -> tuple[yaml.MappingNode, Pair | None]:
    """Return the section of a param, and its place there, if any. Raises InputError for no name."""
    section, _, key = name.partition(".")
    of_section = _child(yaml.compose(params, yaml.CSafeLoader), section)
    keys = of_section[1] if of_section else None
    found = _child(keys, key)
    if not isinstance(keys, yaml.MappingNode) or not (found or (is_optional(name) and keys.value)):
        raise InputError(
            f"cannot set {printable(name)}: {PARAMS} has no such key. `pawprint docs params` lists "
            "all params, and `pawprint init --renew` adds them."
        )
    return keys, found


def _child(keys: yaml.Node | None, name: str) -> Pair | None:
    pairs = keys.value if isinstance(keys, yaml.MappingNode) else ()
    return next((pair for pair in pairs if pair[0].value == name), None)


def _end_of(params: str, node: yaml.Node) -> int:
    """Return the place in the text after the last value in a node, before any comment."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return len(params[: node.end_mark.index].rstrip())  # a text in lines of its own ends after them


def _replace(params: str, found: Pair, value: object) -> str:
    """Write a value, and the comment beside a key whose value is in the lines below."""
    start, end = found[0].end_mark.index, _end_of(params, found[1])
    comment = re.match(r":([ ]+#.*)?", params[start : found[1].start_mark.index])
    return f"{params[:start]}: {_dump(value)}{comment[1] or '' if comment else ''}{params[end:]}"


def _remove(params: str, found: Pair) -> str:
    """Remove the lines of a param."""
    start = found[0].start_mark
    end = params.index("\n", _end_of(params, found[1]))
    return params[: start.index - start.column] + params[end + 1 :]


def _insert(params: str, keys: yaml.MappingNode, name: str, value: object) -> str:
    """Add a param after those that are before it in the section's model."""
    section, _, key = name.partition(".")
    names = list(fields_of(section))
    earlier = [pair for pair in keys.value if pair[0].value in names[: names.index(key)]]
    end = _end_of(params, (earlier or keys.value)[-1][1])
    before = ", "
    if not keys.flow_style:
        end = params.index("\n", end)
        before = "\n" + " " * keys.value[0][0].start_mark.column
    return f"{params[:end]}{before}{key}: {_dump(value)}{params[end:]}"


def _dump(value: object) -> str:
    """Return a value on one line, as it may stand in braces, too."""
    text = yaml.dump(
        [value], Dumper=_Dumper, default_flow_style=True, width=10**6, sort_keys=False,
        allow_unicode=True,
    )  # fmt: skip
    return text.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


def is_optional(name: str) -> bool:
    """Return whether a param may be missing from `params.yaml`, such as a layer of `augment`."""
    section, _, key = name.partition(".")
    fields = fields_of(section) if section in Params.model_fields else {}
    return key in fields and not fields[key].is_required()


def fields_of(section: str) -> dict[str, FieldInfo]:
    """Return the fields of a section of `params.yaml`, keyed by name."""
    return get_type_hints(Params)[section].model_fields


def flat(text: str) -> dict[str, object]:
    """Return the values of all params, keyed by name, such as `model.alpha`.

    Raises InputError if the text is not YAML, or does not consist of sections.
    """
    values: dict[str, object] = {}
    for name, section in parse_mapping(text, str(PARAMS)).items():
        if not isinstance(section, dict):
            raise InputError(f"{PARAMS}: {name}: expected a section with params.")
        values |= {f"{name}.{key}": value for key, value in section.items()}
    return values


def require_valid(text: str) -> None:
    """Raise InputError, with one line for each wrong key, as the stage `code` does."""
    check_content(Params, parse_yaml(text, str(PARAMS)), PARAMS, [])


def set_params(folder: Path, changes: Mapping[str, object]) -> list[str]:
    """Write values to the params.yaml of a project, using the same names as `set_values`.

    Returns a line for each param that changed. Raises InputError, and writes nothing, if a name or
    a value is wrong.
    """
    before = read_text(folder / PARAMS)
    text = set_values(before, changes)
    require_valid(text)
    write_text(folder / PARAMS, text)
    return describe_param_changes(flat(before), flat(text))
