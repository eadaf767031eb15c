"""Recipes: YAML files with only the params that they change.

ruamel.yaml keeps the comments of `params.yaml`.
"""

import io
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pawprint.errors import InputError

RECIPES = Path(__file__).resolve().parent
NULL = "tag:yaml.org,2002:null"


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
        section, key = name.split(".")
        if key not in (content.get(section) or {}):
            raise InputError(f"{name}: the recipe names a key not in params.yaml.")
        content[section][key] = value
        _keep_near(content[section].ca.items.get(key))
    yaml.dump(content, text := io.StringIO())
    return text.getvalue()


def add_missing(params: str, template: str) -> str:
    """The text of `params.yaml` with the params of a template that it lacks, and their comments.

    They come first in their section: after its last one may be comments on the next section.
    """
    yaml = _yaml()
    content = yaml.load(params)
    for section, values in yaml.load(template).items():
        keys = content.setdefault(section, CommentedMap())
        for key, value in reversed(list(values.items())):
            if key not in keys:
                comment = values.ca.items.get(key)
                lines = comment[2].value.partition("\n\n")[0] if comment and comment[2] else ""
                text = " ".join(line.strip("# ") for line in lines.splitlines())
                keys.insert(0, key, value, text or None)
    yaml.dump(content, text := io.StringIO())
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
    """Put the comment at the end of a changed line two spaces after the new value."""
    if comments and comments[2] and comments[2].value.startswith("#"):  # or a blank line
        comments[2].column = 0
        comments[2].value = f" {comments[2].value}"
