"""A recipe is a short overlay: the lines of `params.yaml` that it changes, and no others."""

import io

from ruamel.yaml import YAML

from stages.shared.errors import InputError


def overlay(params: str, recipe: str) -> str:
    """The text of `params.yaml` with the recipe's values; comments and order stay.

    Raises InputError if the recipe names a key that `params.yaml` does not have.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long line stays one line
    content = yaml.load(params)
    for section, changes in yaml.load(recipe).items():
        for key, value in changes.items():
            if key not in content.get(section, {}):
                raise InputError(f"{section}.{key}: the recipe names a key not in params.yaml.")
            content[section][key] = value
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()
