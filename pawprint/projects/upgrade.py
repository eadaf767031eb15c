"""Upgrade a project to the version of the installed package.

For this, `init` records what a project received: the text of files, and the default params.
"""

import contextlib
import json
import tempfile
from pathlib import Path

from pawprint import paths
from pawprint.dataset.user_tables import EMPTY_TABLES, read_csv_rows
from pawprint.errors import InputError
from pawprint.files import md5_of, read_text, write_json, write_text
from pawprint.git import git, ignored, try_git, work_tree
from pawprint.installation import requirement
from pawprint.package import installed_version, require_current
from pawprint.params.file import flat, is_optional, set_values
from pawprint.params.model import Params
from pawprint.params.section import check_content, shown
from pawprint.paths import PARAMS
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code
from pawprint.pipeline.lock import renew_lock
from pawprint.pipeline.recorded import Recorded
from pawprint.projects.recipes import new_params
from pawprint.templates import IGNORE, IGNORES, README, files, names_in_git, take_back
from pawprint.yaml_file import parse_yaml


def read_received(folder: Path) -> dict[str, str]:
    """Return the texts that `write_received` recorded, keyed by name.

    Raises InputError if the record is missing, invalid or from an earlier version.
    """
    path = folder / paths.STATE
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
    files = texts | {PARAMS.name: new_params()}
    write_json(folder / paths.STATE, {"version": installed_version(), "files": files})


def upgrade(folder: Path) -> list[str]:
    """Upgrade a project to the installed package. Return a line per change and per conflict.

    Git merges the package's changes into the user's files. If both changed the same lines, the
    user's file is kept, and the package's version is written next to it as `FILE.new`. Values in
    `params.yaml` are kept, except for params that no longer exist. Raises InputError before
    anything is written.
    """
    git("--version")  # fail early, because merging needs Git
    received = read_received(folder)
    values = flat(read_text(folder / PARAMS))
    source = values.get("fetch.source")
    if not isinstance(source, str):
        raise InputError(f"{PARAMS}: fetch.source: expected a path. Received: {shown(source)}.")
    texts = files(source)
    if README not in received:  # the user's README from before `init`
        del texts[README]
    notes = describe_params(values, flat(received[PARAMS.name]), flat(new_params()))
    bases = received | {PARAMS.name: with_values(received[PARAMS.name], values)}
    renewed = texts | {PARAMS.name: with_values(new_params(), values)}
    tables = EMPTY_TABLES.items()
    changes = {str(table): text for table, text in tables if not (folder / table).exists()}
    for name, text in renewed.items():
        change, note = _renew_file(folder, name, bases.get(name), text)
        changes |= change
        notes += note
    for name, text in changes.items():
        write_text(folder / name, text)
    write_received(folder, texts)
    params = read_text(folder / PARAMS)
    return [*notes, *describe_features(folder), *_take_back(folder, source), *_problems(params)]


def with_values(params: str, values: dict[str, object]) -> str:
    """Return the text of the package's `params.yaml` with the values of a user's file, by name."""
    names = flat(params).keys() | {name for name in values if is_optional(name)}
    return set_values(
        params, {name: values.get(name) for name in names if name in values or is_optional(name)}
    )


def describe_params(
    values: dict[str, object], before: dict[str, object], after: dict[str, object]
) -> list[str]:
    """Return a line for each param that is new, has gone, or has another default than before."""
    notes = []
    for name in [*after, *(name for name in before if name not in after)]:
        value = values.get(name)
        if is_optional(name):
            continue
        if name not in after:
            if name in values:
                notes.append(f"{PARAMS}: {name}: no longer exists; {shown(value)} is removed")
        elif name not in values:
            notes.append(f"{PARAMS}: {name}: new")
        elif name in before and value == before[name] != after[name]:
            kept, default = json.dumps(value), json.dumps(after[name])
            notes.append(f"{PARAMS}: {name}: {kept} is kept; the default is now {default}")
    return notes


def describe_features(folder: Path) -> list[str]:
    """Return a line if the next run will recompute the features for all images, or no line.

    This happens if the code that computes them has changed since the last run.
    """
    with contextlib.suppress(InputError):
        recorded = Recorded(folder=folder)
        before = recorded.hash_of("features", paths.FEATURE_ROW_CODE, "deps")
        code = Code(folder).fingerprint(FEATURE_ROW)
        if before and before != md5_of(code.encode()):
            names = (paths.IMAGES_CSV, paths.UNKNOWN_CSV, paths.UNLABELLED_CSV)
            tables = (folder / name for name in names)
            images = sum(len(read_csv_rows(path, ("path",))) for path in tables if path.exists())
            number = f"{images:,} images" if images else "images"
            return [f"the next `dvc repro` computes the features of all {number} again"]
    return []


def _renew_file(
    folder: Path, name: str, base: str | None, text: str
) -> tuple[dict[str, str], list[str]]:
    """Return the new text of a file that the package changed from `base` to `text`, and a line.

    At most one text is returned, by the name of the file to write. `base` is None if the project
    did not receive this file from the package.
    """
    path = folder / name
    if not path.exists():
        return ({}, []) if base is not None else ({name: text}, [f"{name}: new"])
    current = read_text(path)
    if text in (base, current):
        return {}, []
    merged, notes = _merge(name, current, base or "", text)
    if merged is None:
        note = f"{name}: conflict: your version is kept, and the new one is {name}.new"
        return {f"{name}.new": text}, [note]
    if merged == current:
        return {}, notes
    kept = "" if merged == text else "; your changes are kept"
    return {name: merged}, [f"{name}: renewed{kept}", *notes]


def _merge(name: str, current: str, base: str, text: str) -> tuple[str | None, list[str]]:
    """Merge two changes to a file, like `merge`, or requirements.txt package by package.

    Also returns lines about packages.
    """
    if name != str(paths.REQUIREMENTS):
        return merge(current, base, text, is_union=name in IGNORES), []
    renewed, kept = renew_lock(current, base, text)
    notes = [f"{paths.REQUIREMENTS}: your line for {name} is kept" for name in kept]
    line, missing = requirement()
    if missing and renewed != current and line in renewed.splitlines():
        notes.append(missing)
    return renewed, notes


def _take_back(folder: Path, source: str) -> list[str]:
    """Ensure that Git does not ignore the project's files. The project's own rules are kept."""
    if work_tree(folder) is None:
        return []
    own = f"{(folder / IGNORE).resolve()}:"
    found = ignored(folder, names_in_git(source))
    names = [name for name, rule in found.items() if not rule.startswith(own)]
    try:
        rules = take_back(folder, names)
    except InputError as error:
        return [str(error)]
    return [f"{IGNORE}: overrides this rule: {rule}" for rule in rules]


def _problems(params: str) -> list[str]:
    """Return a line for each value that is no longer valid."""
    try:
        check_content(Params, parse_yaml(params, str(PARAMS)), PARAMS, [])
    except InputError as error:
        return str(error).splitlines()
    return []


def merge(current: str, base: str, new: str, is_union: bool) -> str | None:
    """Merge two changes to a base with `git merge-file`. Return None if there is a conflict.

    With `is_union`, conflicts keep the lines of both.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("current", "base", "new")]
        for path, text in zip(files, (current, base, new)):
            write_text(path, text)
        options = ("-p", "--union") if is_union else ("-p",)
        return try_git("merge-file", *options, *map(str, files))
