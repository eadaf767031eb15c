"""Renew a project after an upgrade of the package."""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pawprint.dataset.user_tables import EMPTY_TABLES
from pawprint.errors import InputError
from pawprint.files import read_text, write_text
from pawprint.git import git, try_git
from pawprint.params.section import shown
from pawprint.project import PARAMS, STATE
from pawprint.recipes.overlay import add_missing
from pawprint.templates.files import IGNORE, REPLACED, files, flat
from pawprint.tools.projects import defaults as new_defaults
from pawprint.tools.projects import write_state

OF_A_CLASS = ("calibrate.recall", "calibrate.threshold")  # numbers before version 0.4


def upgrade(folder: Path = Path()) -> list[str]:
    """Renew a project for the installed package. Returns a line for each change and each conflict.

    The changes of the package are merged into those of the user, by Git. Where both changed the
    same lines, the file stays, and that of the package is put beside it as `FILE.new`. All values
    and comments of `params.yaml` stay. Raises InputError before anything is written.
    """
    git("--version")  # without it, every merge would be a conflict
    state = _read_state(folder)
    params, defaults = read_text(folder / PARAMS), new_defaults()
    source = flat(params).get("fetch.source")
    if not isinstance(source, str):
        raise InputError(f"{PARAMS}: fetch.source: expected a path. Received: {shown(source)}.")
    texts = files(source)
    changes, notes = {}, list(_notes(flat(params), flat(defaults), state["params"]))
    if flat(defaults).keys() - flat(params).keys():
        changes[PARAMS.name] = add_missing(params, defaults)
    for name, text in texts.items():
        path, base = folder / name, state["files"].get(name)
        if not path.exists():
            if base is None:
                changes[name] = text
                notes.append(f"{name}: new")
            continue
        current = read_text(path)
        if base == _hash(current):  # as versions before 0.4 kept what was written
            base = current
        if text in (base, current):
            continue
        merged = merge(current, base or "", text, is_union=name in IGNORE)
        if merged is None:
            changes[f"{name}.new"] = text
            notes.append(f"{name}: yours is kept, as both changed it; {name}.new is the new one")
        elif merged != current:
            changes[name] = merged
            notes.append(f"{name}: renewed" + "; your changes are kept" * (merged != text))
    for name, text in EMPTY_TABLES.items():
        if not (folder / name).exists():
            changes[name] = text
    for name, text in changes.items():
        write_text(folder / name, text)
    write_state(folder, texts)
    return notes


def _read_state(folder: Path) -> dict:
    path = folder / STATE
    if not path.exists():
        raise InputError(f"{path}: expected a project that `pawprint init` made.")
    with contextlib.suppress(ValueError):
        state = json.loads(read_text(path))
        if isinstance(state, dict) and {"files", "params"} <= state.keys():
            return state
    raise InputError(f"{path}: expected what `pawprint init` wrote. Restore it from Git.")


def _notes(params: dict, defaults: dict, earlier: dict) -> Iterator[str]:
    """Lines about params: new ones, those that no longer exist, and defaults that changed."""
    for name in defaults:
        if name not in params:
            yield f"{PARAMS}: {name}: new"
        elif name in earlier and defaults[name] != earlier[name] == params[name]:
            kept, default = json.dumps(params[name]), json.dumps(defaults[name])
            yield f"{PARAMS}: {name}: {kept} is kept; the default is now {default}"
    for name in OF_A_CLASS:
        if isinstance(params.get(name), float):
            example = f"{{CLASS: {params[name]}}}"
            yield f"{PARAMS}: {name}: write {example}; a number was of the last class by name."
    for name in (name for name in params if name not in defaults):
        is_set = name in REPLACED and params[name] is not None
        instead = f"Set {REPLACED[name]} instead, and remove" if is_set else "Remove"
        yield f"{PARAMS}: {name}: no longer exists. {instead} it."


def merge(current: str, base: str, new: str, is_union: bool) -> str | None:
    """What `git merge-file` makes of two changes of a base, or None where they are in conflict.

    With `is_union`, lines of both are kept there.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("current", "base", "new")]
        for path, text in zip(paths, (current, base, new)):
            write_text(path, text)
        return try_git("merge-file", "-p", *["--union"] * is_union, *map(str, paths))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
