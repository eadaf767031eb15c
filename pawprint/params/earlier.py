"""Recognise a params.yaml from an earlier version of Pawprint."""

import contextlib
from pathlib import Path

from pydantic import ValidationError

from pawprint.errors import InputError
from pawprint.files import read_json
from pawprint.params.model import LBFGS, Params
from pawprint.paths import PARAMS, STATE
from pawprint.yaml_file import read_yaml

PHASES = ("train_extract", "train_finetune")


def require_current(folder: Path) -> None:
    """Raise InputError if a project's params.yaml is from an earlier version of Pawprint.

    This is the case if a key that is not a param was one when the project was created or last
    upgraded, or if a training phase has params as they were before `epochs` became a mapping.
    Projects that `pawprint upgrade` cannot upgrade are accepted, and so is a file that is not YAML.
    """
    content = None
    with contextlib.suppress(InputError, OSError):
        content = read_yaml(folder / PARAMS)
    if isinstance(content, dict) and (folder / STATE).is_file():
        earlier = _names(folder)
        if any(name in earlier for name in _unknown(content)) or _has_old_phase(content):
            raise InputError(
                f"{PARAMS}: the file is from an earlier version of Pawprint. Run `pawprint "
                "upgrade`, which converts it and keeps your values."
            )


def _names(folder: Path) -> set[str]:
    """Return the sections and params that the project received when it was created or upgraded."""
    names: set[str] = set()
    with contextlib.suppress(InputError):
        state = read_json(folder / STATE)
        params = state.get("params") if isinstance(state, dict) else None
        names = set(params) if isinstance(params, dict) else names
    return names | {name.partition(".")[0] for name in names}


def _unknown(content: dict) -> set[str]:
    """Return the names of sections and params that the schema does not know."""
    try:
        Params.model_validate(content)
    except ValidationError as error:
        unknown = (each["loc"] for each in error.errors() if each["type"] == "extra_forbidden")
        return {".".join(map(str, place)) for place in unknown}
    return set()


def _has_old_phase(content: dict) -> bool:
    """Return whether a training phase has an optimizer next to a number of epochs, or LBFGS."""
    phases = [content.get(name) for name in PHASES]
    return any(
        phase.get("optimizer") == LBFGS
        or ("optimizer" in phase and type(phase.get("epochs")) is int)
        for phase in phases
        if isinstance(phase, dict)
    )
