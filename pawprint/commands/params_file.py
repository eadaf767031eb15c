"""Write params.yaml: the default params of a new project, recipes, and changes.

Changes replace values in the text, so that comments, order and all else stay.
"""

import difflib
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
    """Change values by name, such as `model.alpha` or `train_finetune.epochs.seed`.

    All other text stays the same. Raises InputError if the text is not YAML, or if a name is not in
    it and is not optional.
    """
    flat(params)
    for name, value in values.items():
        params = _set_value(params, name, value)
    return params


def _set_value(params: str, name: str, value: object) -> str:
    section, _, rest = name.partition(".")
    key, _, inner = rest.partition(".")
    of_section = _child(yaml.compose(params, yaml.CSafeLoader), section)
    keys = of_section[1] if of_section else None
    found = _child(keys, key)
    if inner:
        place = f"{section}.{key}"
        of_param = flat(params).get(place)
        if not isinstance(of_param, dict):
            raise InputError(
                f"cannot set {name}: {place} is not a mapping. Set {place} to a mapping with "
                f"{inner}."
            )
        own = _child(found[1], inner) if found else None
        found, value = (own, value) if own else (found, of_param | {inner: value})
    elif not isinstance(keys, yaml.MappingNode) or not (found or is_optional(name)):
        names = [f"{each}.{param}" for each in Params.model_fields for param in fields_of(each)]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "docs/params.md lists all params."
        raise InputError(f"cannot set {printable(name)}: {PARAMS} has no such key. {hint}")
    is_gone = value is None and is_optional(name)
    assert isinstance(keys, yaml.MappingNode)
    if keys.flow_style and (is_gone or not found):
        content = parse_mapping(params, str(PARAMS))[section] | {key: value}
        content = {each: content[each] for each in content if not (is_gone and each == key)}
        return f"{params[: keys.start_mark.index]}{_dump(content)}{params[keys.end_mark.index :]}"
    if not found:
        return params if is_gone else _insert(params, keys, section, key, value)
    name_node, old = found
    start, end = name_node.end_mark.index, _end_of(old)
    if is_gone:
        return params[: start - name_node.end_mark.column] + params[params.index("\n", end) + 1 :]
    comment = re.match(r":([ ]+#.*)?", params[start : old.start_mark.index])
    return f"{params[:start]}: {_dump(value)}{comment[1] or '' if comment else ''}{params[end:]}"


def _child(keys: yaml.Node | None, name: str) -> tuple[yaml.ScalarNode, yaml.Node] | None:
    """Return a key of a mapping and its value, or None."""
    pairs = keys.value if isinstance(keys, yaml.MappingNode) else ()
    return next((pair for pair in pairs if pair[0].value == name), None)


def _end_of(node: yaml.Node) -> int:
    """Return the place in the text after the last value in a node, before any comment."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node.end_mark.index


def _insert(params: str, keys: yaml.MappingNode, section: str, key: str, value: object) -> str:
    """Add a key to a section, in the order of the section's model."""
    names = list(fields_of(section))
    later = [each for each, _ in keys.value if each.value in names[names.index(key) :]]
    end = params.index("\n", _end_of(keys)) + 1
    place = later[0].start_mark.index - later[0].start_mark.column if later else end
    line = f"{' ' * keys.value[0][0].start_mark.column}{key}: {_dump(value)}\n"
    return f"{params[:place]}{line}{params[place:]}"


def _dump(value: object) -> str:
    """Return a value on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=10**6, sort_keys=False,
        allow_unicode=True,
    )  # fmt: skip
    return text.removesuffix("...\n").strip()


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


def set_params(folder: Path, changes: Mapping[str, object]) -> list[str]:
    """Write values to the params.yaml of a project, using the same names as `set_values`.

    Returns a line for each param that changed. Raises InputError, and writes nothing, if a name or
    a value is wrong.
    """
    before = read_text(folder / PARAMS)
    text = set_values(before, changes)
    check_content(Params, parse_yaml(text, str(PARAMS)), PARAMS, [])
    write_text(folder / PARAMS, text)
    return describe_param_changes(flat(before), flat(text))
