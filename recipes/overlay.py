"""A recipe is a short overlay: the lines of `params.yaml` that it changes, and no others."""

import io

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from stages.shared.errors import InputError


def overlay(params: str, recipe: str) -> str:
    """The text of `params.yaml` with the recipe's values; comments and order stay.

    Raises InputError if the recipe names a key that `params.yaml` does not have.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long line stays one line
    content = yaml.load(params)
    _merge(content, yaml.load(recipe), "")
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def _merge(content: CommentedMap, changes: CommentedMap, parents: str) -> None:
    for key, value in changes.items():
        if key not in content:
            raise InputError(f"{parents}{key}: the recipe names a key that params.yaml lacks.")
        if isinstance(value, CommentedMap) and isinstance(content[key], CommentedMap):
            _merge(content[key], value, f"{parents}{key}.")
        else:
            content[key] = value
