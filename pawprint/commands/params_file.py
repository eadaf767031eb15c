"""Write params.yaml: the default params of a new project, recipes, and changes.

Changes are made with ruamel.yaml, which keeps comments, order and all other values.
"""

import difflib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pawprint.base.errors import InputError, printable
from pawprint.base.files import read_text, write_text
from pawprint.base.package import PACKAGE, template
from pawprint.base.paths import PARAMS
from pawprint.base.yaml_file import parse_mapping, parse_yaml
from pawprint.pipeline.params.model import Params
from pawprint.pipeline.params.section import check_content, describe_param_changes

NULL = "tag:yaml.org,2002:null"
Commented = CommentedMap | CommentedSeq
# The recipe with the default params. Its network is the best one for its cost on eleven data sets,
# and a single view is enough for a fitted head (docs/decisions/37). Fine-tuning only helps on a few
# of ten data sets (docs/decisions/01).
DEFAULT_RECIPE = "efficientnet-lite0"
RECIPES = PACKAGE / "recipes"


def default_params(recipe: str = DEFAULT_RECIPE) -> str:
    """Return the text of `params.yaml` for a new project."""
    return apply_recipe(template(PARAMS.name), recipe)


def recipe_names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(name: str) -> str:
    """Return a recipe's text."""
    return (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")


def apply_recipe(params: str, name: str) -> str:
    """Apply a recipe's values to the text of `params.yaml`, replacing earlier values.

    A param that this recipe does not set gets its value from `cats-and-dogs`. Params that neither
    sets, such as seeds, are not changed.
    """
    return overlay(overlay(params, read_recipe("cats-and-dogs")), read_recipe(name))


def overlay(params: str, changes: str) -> str:
    """Change values in the text of `params.yaml`. Comments and order stay the same.

    Raises InputError if `changes` has a key that is not in `params.yaml`.
    """
    sections = _yaml().load(changes).items()
    return set_values(
        params, {f"{name}.{key}": value for name, keys in sections for key, value in keys.items()}
    )


def set_values(params: str, values: Mapping[str, object]) -> str:
    """Change values by name, such as `model.alpha` or `train_finetune.epochs.seed`.

    Comments and order stay the same. Raises InputError if a name is not in `params.yaml` and is not
    optional.
    """
    absent = [name for name, value in values.items() if value is None and is_optional(name)]
    for name in absent:
        if name in flat(params):
            params = _without(params, name)
    content = _yaml().load(params)
    for name, value in values.items():
        if name not in absent:
            _set_value(content, name, value)
    return _dump(content)


def _set_value(content: CommentedMap, name: str, value: object) -> None:
    """Set a value in the file, without the comments of a recipe."""
    if isinstance(value, CommentedMap):
        value.ca.comment = None
    elif isinstance(value, dict):
        value = CommentedMap(value)
        value.fa.set_flow_style()  # on one line, so that comments stay in place
    section, _, rest = name.partition(".")
    key, _, inner = rest.partition(".")
    keys = content.get(section) or CommentedMap()
    if inner:
        _set_inner(keys.get(key), f"{section}.{key}", inner, value)
        return
    if is_optional(name) and key not in keys:
        _insert(keys, section, key, value)
    if key not in keys:
        names = [f"{each}.{param}" for each in Params.model_fields for param in fields_of(each)]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "docs/params.md lists all params."
        raise InputError(f"cannot set {printable(name)}: {PARAMS} has no such key. {hint}")
    before, last = _end_of(keys, key)
    comment = next(filter(None, before.ca.items.get(last) or ()), None)
    keys[key] = value
    if before is not keys and comment and (lines := comment.value.partition("\n")[2]):
        comment.value = f"\n{lines}"  # they would go with the last value, as its own comment does
        after, last = _end_of(keys, key)
        after.ca.items[last] = [None, None, comment, None]
    _keep_near(keys.ca.items.get(key))


def _end_of(keys: Commented, key: str | int) -> tuple[Commented, str | int]:
    """Return the mapping or list, and the key or index there, of the last value in a param."""
    value = keys[key]
    while isinstance(value, Commented) and value and not value.fa.flow_style():
        last = next(reversed(value)) if isinstance(value, CommentedMap) else len(value) - 1
        keys, key, value = value, last, value[last]
    return keys, key


def _insert(keys: CommentedMap, section: str, key: str, value: object) -> None:
    """Add a key to a section, in the order of the section's model."""
    names = list(fields_of(section))
    later = names[names.index(key) :]
    place = next((at for at, other in enumerate(keys) if other in later), len(keys))
    keys.insert(place, key, value)


def _set_inner(mapping: object, param: str, key: str, value: object) -> None:
    """Set a key inside a param that is a mapping, such as `epochs`."""
    if not isinstance(mapping, dict):
        raise InputError(
            f"cannot set {param}.{key}: {param} is not a mapping. Set {param} to a mapping with "
            f"{key}."
        )
    mapping[key] = value


def is_optional(name: str) -> bool:
    """Return whether a param may be missing from `params.yaml`, such as a layer of `augment`."""
    section, _, key = name.partition(".")
    fields = fields_of(section) if section in Params.model_fields else {}
    return key in fields and not fields[key].is_required()


def fields_of(section: str) -> dict[str, FieldInfo]:
    """Return the fields of a section of `params.yaml`, keyed by name."""
    return get_type_hints(Params)[section].model_fields


def _without(params: str, name: str) -> str:
    """Remove a param from the text of `params.yaml`. Other lines, and comments, stay."""
    section, key = name.split(".")
    keys = next(each for head, each in _yaml().compose(params).value if head.value == section)
    if keys.flow_style:  # {key: value, …}
        content = _yaml().load(params)
        del content[section][key]
        return _dump(content)
    start, end = next(pair for pair in keys.value if pair[0].value == key)
    rows = params.splitlines(keepends=True)
    first = start.start_mark.line
    later = [each.start_mark.line for each, _ in keys.value if each.start_mark.line > first]
    last = min(later, default=end.end_mark.line + (end.end_mark.column > 0))
    while not rows[last - 1].strip() or rows[last - 1].lstrip().startswith("#"):
        last -= 1
    del rows[first:last]
    return "".join(rows)


def _dump(content: CommentedMap) -> str:
    _yaml().dump(content, text := io.StringIO())
    return text.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # do not wrap long lines
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar(NULL, "null")
    )
    return yaml


def _keep_near(comments: list | None) -> None:
    """Move the comment at the end of a changed line to two spaces after the new value."""
    # Otherwise, it would become a blank line.
    if comments and comments[2] and comments[2].value.startswith("#"):
        comments[2].column = 0
        comments[2].value = f" {comments[2].value}"


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
