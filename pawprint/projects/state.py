"""Record what a project received from the package: the text of files, and the default params."""

import contextlib
import json
from pathlib import Path

from pawprint.errors import InputError
from pawprint.files import read_text, write_json
from pawprint.package import installed_version
from pawprint.params.file import flat
from pawprint.paths import PARAMS, STATE
from pawprint.projects.recipes import NEW, apply_recipe
from pawprint.templates import template


def read_state(folder: Path) -> dict:
    """Read a file written by `write_state`. Raises InputError if it is missing or invalid."""
    path = folder / STATE
    if not path.exists():
        raise InputError(f"{path}: expected a project that `pawprint init` made.")
    with contextlib.suppress(ValueError):
        state = json.loads(read_text(path))
        if isinstance(state, dict) and {"files", "params"} <= state.keys():
            return state
    raise InputError(f"{path}: not the file that `pawprint init` wrote. Restore it from Git.")


def write_state(folder: Path, texts: dict[str, str]) -> None:
    """Write the text of files, keyed by name, and the defaults that a project received."""
    record = {"version": installed_version(), "files": texts, "params": flat(defaults())}
    write_json(folder / STATE, record)


def defaults() -> str:
    """Return the params of a new project without a recipe."""
    return apply_recipe(template(PARAMS.name), NEW)
