"""Recipes: YAML files with only the params that they change.

ruamel.yaml keeps the comments of `params.yaml`.
"""

import io
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pawprint.errors import InputError
from pawprint.params.model import Params
from pawprint.params.section import Section

RECIPES = Path(__file__).resolve().parent
NULL = "tag:yaml.org,2002:null"
GOES_ON = (";", ":", ",")  # ends of a comment


def recipe_names() -> list[str]:
    """The names of all recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(name: str) -> str:
    """The text of the recipe with one of the `names`."""
    return (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")


def apply_recipe(params: str, name: str) -> str:
    """The text of `params.yaml` with the values of a recipe, whatever recipe it had before.

    Params that no recipe names, such as the seeds, are not changed.
    """
    return overlay(overlay(params, read_recipe("default")), read_recipe(name))


def overlay(params: str, changes: str) -> str:
    """The text of `params.yaml` with other values; comments and order are kept.

    Raises InputError if `changes` has a key that `params.yaml` does not have.
    """
    values = {}
    for section, keys in _yaml().load(changes).items():
        values |= {f"{section}.{key}": value for key, value in keys.items()}
    return set_values(params, values)


def set_values(params: str, values: Mapping[str, object]) -> str:
    """As `overlay`, by names such as `model.alpha`."""
    yaml = _yaml()
    content = yaml.load(params)
    for name, value in values.items():
        if isinstance(value, CommentedMap):
            value.ca.comment = None  # of the recipe
        section, key = name.split(".")
        keys = content.get(section) or {}
        if is_optional(name) and value is None:
            keys.pop(key, None)
            keys.ca.items.pop(key, None)
            continue
        if is_optional(name) and key not in keys:
            names = list(section_of(section).model_fields)
            later = names[names.index(key) :]
            keys.insert(next(at for at, other in enumerate(keys) if other in later), key, value)
        if key not in keys:
            raise InputError(f"{name}: the recipe names a key not in params.yaml.")
        keys[key] = value
        _keep_near(keys.ca.items.get(key))
    yaml.dump(content, text := io.StringIO())
    return text.getvalue()


def is_optional(name: str) -> bool:
    """Return whether `params.yaml` may lack a param, such as a layer of `augment`."""
    section, key = name.split(".")
    fields = section_of(section).model_fields if section in Params.model_fields else {}
    return key in fields and not fields[key].is_required()


def section_of(name: str) -> type[Section]:
    """Return the model of a section of `params.yaml`."""
    return Params.model_fields[name].annotation


def add_missing(params: str, template: str) -> str:
    """The text of `params.yaml` with the params of a template that it lacks, and their comments.

    They come first in their section: after its last one may be comments on the next section.
    """
    yaml = _yaml()
    content = yaml.load(params)
    for section, values in yaml.load(template).items():
        is_new = section not in content
        keys = content.setdefault(section, CommentedMap())
        for key, value in reversed(list(values.items())):
            if key not in keys and (is_new or not is_optional(f"{section}.{key}")):
                comment = values.ca.items.get(key)
                lines = comment[2].value.partition("\n\n")[0] if comment and comment[2] else ""
                text = " ".join(line.strip("# ") for line in lines.splitlines())
                keys.insert(0, key, value, text or None)
    yaml.dump(content, text := io.StringIO())
    return text.getvalue()


def without_param(params: str, name: str, is_kept: bool) -> str:
    """Return the text of `params.yaml` without a param, whose other lines stay as they are.

    With `is_kept`, a comment has its name and value. A section without params goes, too, and a
    comment that goes on below the param's line, which ends with one of GOES_ON then.
    """
    section, key = name.split(".", 1)
    root = _yaml().compose(params)
    head, keys = next(pair for pair in root.value if pair[0].value == section)
    start, end = next(pair for pair in keys.value if pair[0].value == key)
    rows = params.splitlines(keepends=True)
    if keys.flow_style:  # {key: value, …}, perhaps of several lines
        at, first = head.start_mark.index, head.start_mark.line
        text = params[start.start_mark.index : end.end_mark.index]
        left = params[at : start.start_mark.index].rstrip(", ")  # up to the param before, or to {
        right = params[end.end_mark.index :].lstrip(", ")
        comma = "" if left.endswith("{") or right.startswith("}") else ", "
        rows = f"{params[:at]}{left}{comma}{right}".splitlines(keepends=True)
        comment = [f"# {section}.{' '.join(text.split())}\n"]
        last = first + 1 if len(keys.value) == 1 else first
    else:
        first, last = start.start_mark.line, end.end_mark.line + (end.end_mark.column > 0)
        while not rows[last - 1].strip():  # what a block of text ends with
            last -= 1
        while rows[last - 1].rstrip().endswith(GOES_ON) and _is_comment("".join(rows[last:][:1])):
            last += 1
        indent = " " * start.start_mark.column
        comment = [f"{indent}# {section}.{rows[first].lstrip()}"]
        comment += [
            row if _is_comment(row) else f"{indent}# {row[len(indent) :]}"
            for row in rows[first + 1 : last]
        ]
    rows[first:last] = comment if is_kept else []
    if len(keys.value) == 1 and not is_kept:
        if not keys.flow_style:
            first = head.start_mark.line
            del rows[first]
        if not "".join(rows[first - 1 : first + 1]).strip():  # the lines around the section
            del rows[first : first + 1]
    elif len(keys.value) == 1 and not keys.flow_style:
        del rows[head.start_mark.line]
    return "".join(rows)


def _is_comment(row: str) -> bool:
    return row.lstrip().startswith("#")


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # do not wrap long lines
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar(NULL, "null")
    )
    return yaml


def _keep_near(comments: list | None) -> None:
    """Put the comment at the end of a changed line two spaces after the new value."""
    if comments and comments[2] and comments[2].value.startswith("#"):  # or a blank line
        comments[2].column = 0
        comments[2].value = f" {comments[2].value}"
