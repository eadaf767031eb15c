"""Record what a project received from the package: the text of files, and the default params."""

import contextlib
import json
from pathlib import Path

from pawprint.errors import InputError
from pawprint.files import read_text, write_json
from pawprint.package import installed_version, require_current
from pawprint.paths import PARAMS, STATE
from pawprint.projects.recipes import NEW, apply_recipe
from pawprint.templates import template


def read_received(folder: Path) -> dict[str, str]:
    """Return the texts that `write_received` recorded, keyed by name.

    Raises InputError if the record is missing, invalid or from an earlier version.
    """
    path = folder / STATE
    if not path.exists():
        raise InputError(f"{path}: expected a project that `pawprint init` made.")
    require_current(folder)
    with contextlib.suppress(ValueError, LookupError, TypeError):
        texts = json.loads(read_text(path))["files"]
        if PARAMS.name in texts:
            return texts
    raise InputError(f"{path}: not the file that `pawprint init` wrote. Restore it from Git.")


def write_received(folder: Path, texts: dict[str, str]) -> None:
    """Record the text of files, keyed by name, and the default params."""
    files = texts | {PARAMS.name: defaults()}
    write_json(folder / STATE, {"version": installed_version(), "files": files})


def defaults() -> str:
    """Return the params of a new project without a recipe."""
    return apply_recipe(template(PARAMS.name), NEW)
