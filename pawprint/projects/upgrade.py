"""Upgrade a project to the version of the installed package."""

import contextlib
import hashlib
import json
import re
import tempfile
from pathlib import Path

from pawprint.dataset.folders import AUTO, READINGS, find_places
from pawprint.dataset.metadata_csv import is_metadata
from pawprint.dataset.user_tables import (
    EMPTY_TABLES,
    LABEL_COLUMNS,
    complete_labels,
    read_csv_rows,
)
from pawprint.errors import InputError
from pawprint.files import read_json, read_text, replacing, write_text
from pawprint.git import git, ignored, try_git, work_tree
from pawprint.images.archive import members, open_archive
from pawprint.installation import requirement
from pawprint.named_file import read_bytes
from pawprint.params.file import add_missing, flat, is_optional, overlay, set_values, without_param
from pawprint.params.model import Params
from pawprint.params.section import check_content, shown
from pawprint.paths import (
    FEATURE_ROW_CODE,
    IMAGES_CSV,
    LABELS_CSV,
    LABELS_JSON,
    LOCK,
    PARAMS,
    PIPELINE,
    RAW_ARCHIVES,
    REQUIREMENTS,
    UNKNOWN_CSV,
    UNLABELLED_CSV,
)
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code, row_code
from pawprint.pipeline.lock import renew_lock
from pawprint.pipeline.recorded import Recorded
from pawprint.projects.earlier_params import renew_epochs, with_epochs
from pawprint.projects.state import defaults as new_defaults
from pawprint.projects.state import read_state, write_state
from pawprint.templates import IGNORE, IGNORES, README, files, names_in_git, outputs_of, take_back
from pawprint.yaml_file import parse_mapping, parse_yaml

OF_IMAGE = ("path", "label", "archive_split", "pixels_sha256")  # columns of IMAGES in every version
OF_A_CLASS = ("calibrate.recall", "calibrate.threshold")  # plain numbers before version 0.4
GONE = ("calibrate", "preview", "report", "review")  # stages that existed before version 0.5
# Params of earlier versions, with their replacements.
REPLACED = {
    "calibrate.test_time_augmentation": "augment.RandomFlip, which decides it",
    "calibrate.views": "augment.RandomFlip, which decides it",
    "model.fine_tune_last": "model.fine_tune_at (-24 for 24, the number of layers for 0)",
}

VIEWS = "augment.views"
COST_OF_VIEWS = (
    "Each training image passes through the network {} times, which takes most of a first run's "
    "time. `pawprint try` measures the benefit on your images"
)


def upgrade(folder: Path) -> list[str]:
    """Upgrade a project to the installed package. Return a line per change and per conflict.

    Git merges the package's changes into the user's files. If both changed the same lines, the
    user's file is kept, and the package's version is written next to it as `FILE.new`. Values and
    comments in `params.yaml` are kept, except for params that no longer exist. Raises InputError
    before anything is written.
    """
    git("--version")  # fail early, because merging needs Git
    state = read_state(folder)
    before = read_text(folder / PARAMS)
    source = flat(before).get("fetch.source")
    if not isinstance(source, str):
        raise InputError(f"{PARAMS}: fetch.source: expected a path. Received: {shown(source)}.")
    params, notes = _renew(before, state["params"], _labels(folder, flat(before)))
    if labels := labels_of_last_run(folder, flat(params)):
        params = set_values(params, {"clean.labels": labels})
        written = json.dumps(labels, ensure_ascii=False)
        notes.append(f"{PARAMS}: clean.labels: {written}, which keeps the last run's labels")
    texts = files(source)
    if README not in state["files"]:  # the user's README from before `init`
        del texts[README]
    changes = {} if params == before else {PARAMS.name: params}
    for name, text in texts.items():
        change, note = _renew_file(folder, name, state["files"].get(name), text)
        changes |= change
        notes += note
    for table, no_rows in EMPTY_TABLES.items():
        path = folder / table
        # A table without rows, perhaps with the columns of an earlier version.
        if not path.exists() or no_rows.encode().startswith(read_bytes(path).removesuffix(b"\n")):
            changes[str(table)] = no_rows
    lock, gone = without_gone(folder, changes.get(str(PIPELINE)))
    notes += gone
    for name, text in (changes | lock).items():
        write_text(folder / name, text)
    notes += add_label_columns(folder / LABELS_CSV)
    write_state(folder, texts)
    notes += describe_features(folder)
    return [*notes, *_take_back(folder, source), *_problems(params)]


def add_label_columns(path: Path) -> list[str]:
    """Add missing columns to a labels.csv whose other columns are ours, and return a line about it.

    Otherwise, the first page of labels would add them, and change each line of the file.
    """
    try:
        content, missing = complete_labels(read_bytes(path), str(LABELS_CSV))
    except InputError:  # the `code` stage names the problem
        return []
    if not missing:
        return []
    with replacing(path) as partial:
        partial.write_bytes(content)
    columns = f"empty column{'s' if missing[1:] else ''} {' and '.join(missing)}"
    return [f"{LABELS_CSV}: new {columns}. Git shows every line as changed, only this time"]


def describe_features(folder: Path) -> list[str]:
    """Return a line if the next run will recompute the features for all images, or no line.

    This happens if the code that computes them has changed since the last run.
    """
    with contextlib.suppress(InputError):
        recorded = Recorded(folder=folder)
        before = recorded.hash_of("features", FEATURE_ROW_CODE, "deps")
        code = row_code(Code(folder), FEATURE_ROW).encode()
        if before and before != hashlib.md5(code, usedforsecurity=False).hexdigest():
            tables = (folder / path for path in (IMAGES_CSV, UNKNOWN_CSV, UNLABELLED_CSV))
            images = sum(len(read_csv_rows(path, OF_IMAGE)) for path in tables if path.exists())
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
    if base == _hash(current):  # versions before 0.4 stored a hash of the text
        base = current
    if text in (base, current):
        return {}, []
    if name == str(REQUIREMENTS):
        return _renew_requirements(current, base or "", text)
    merged = merge(current, base or "", text, is_union=name in IGNORES)
    if merged is None:
        note = f"{name}: conflict: your version is kept, and the new one is {name}.new"
        return {f"{name}.new": text}, [note]
    if merged == current:
        return {}, []
    kept = "" if merged == text else "; your changes are kept"
    return {name: merged}, [f"{name}: renewed{kept}"]


def _renew_requirements(current: str, base: str, text: str) -> tuple[dict[str, str], list[str]]:
    """Return the result of `_renew_file` for requirements.txt, merged package by package."""
    renewed, kept = renew_lock(current, base, text)
    notes = [f"{REQUIREMENTS}: your line for {name} is kept" for name in kept]
    if renewed == current:
        return {}, notes
    line, missing = requirement()
    notes += [missing] if missing and line in renewed.splitlines() else []
    return {str(REQUIREMENTS): renewed}, [f"{REQUIREMENTS}: renewed", *notes]


def without_gone(folder: Path, pipeline: str | None) -> tuple[dict[str, str], list[str]]:
    """Return dvc.lock, by its name, without the stages in GONE that `dvc.yaml` lacks, and lines.

    If no stage is removed, dvc.lock is not returned. `pipeline` is the new text of `dvc.yaml`, or
    None if it does not change. The lines list the removed stages, and their files that are no
    longer written.
    """
    path = folder / LOCK
    if not path.is_file() or not (folder / PIPELINE).is_file():
        return {}, []
    text = read_text(path)
    stages = parse_mapping(pipeline or read_text(folder / PIPELINE), str(PIPELINE)).get("stages")
    recorded = Recorded(text)
    gone = [name for name in GONE if name in recorded.stages and name not in (stages or {})]
    for name in gone:
        text = re.sub(rf"(?m)^  {name}:\n(?:   .*\n|\n)*", "", text)
    written = {path for stage in (stages or {}).values() for path in outputs_of(stage)}
    outputs = {path for name in recorded.stages for path in recorded.hashes(name)}
    left = sorted(path for path in outputs - written if (folder / path).exists())
    notes = [
        f"{path}: this file is no longer written; delete it if you do not need it" for path in left
    ]
    if not gone or Recorded(text).stages.keys() != recorded.stages.keys() - {*gone}:
        return {}, notes
    return {str(LOCK): text}, [
        f"{LOCK}: removed {', '.join(gone)}, which are now part of other stages",
        *notes,
    ]


def labels_of_last_run(
    folder: Path, values: dict[str, object]
) -> dict[str, list[str]] | str | None:
    """Return the `clean.labels` that reproduce the labels and splits of the last run from folders.

    It is None if this is already the case for `values`, the params keyed by name, or if the last
    run is unknown. Corrections in labels.csv are ignored.
    """
    archives = folder / RAW_ARCHIVES
    table = folder / IMAGES_CSV
    if values.get("clean.labels") != AUTO or not (archives.exists() and table.exists()):
        return None
    with open_archive(archives) as archive:
        names = members(archive)
    if any(map(is_metadata, names)):  # metadata.csv contains the labels
        return None
    images = [row for _, row in read_csv_rows(table, OF_IMAGE)]
    rows = read_csv_rows(folder / LABELS_CSV, LABEL_COLUMNS)
    corrected = {row.get("pixels_sha256") or row["path"] for _, row in rows}
    images = [row for row in images if not {row["path"], row["pixels_sha256"]} & corrected]
    before = {row["path"]: (row["label"], row["archive_split"]) for row in images}
    mapping = {label: [label] for label, _ in sorted(set(before.values()))}
    for labels in (AUTO, *READINGS, mapping):
        with contextlib.suppress(InputError):
            _, places = find_places(names, None, labels, str(folder))
            if all(places.get(path) == place for path, place in before.items()):
                return None if labels == AUTO else labels
    return None


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


def _renew(params: str, earlier: dict[str, object], labels: list[str]) -> tuple[str, list[str]]:
    """Apply the package's params to the text of `params.yaml`, with a line for each change.

    `earlier` contains the defaults with which the project was made, and `labels` its classes, if
    they are known. A param that no longer exists is removed if it has its default, and otherwise
    becomes a comment.
    """
    params, notes = renew_epochs(params)
    earlier = with_epochs(earlier)
    values = flat(params)
    defaults = flat(new_defaults())
    for name, value in values.items():
        if is_optional(name) and value is not None:
            continue
        was_default = name in earlier and earlier[name] == value
        if name not in defaults:
            params = _remove_param(params, name, is_kept=not (was_default or value is None))
            notes.append(_describe_removed(name, value, was_default))
        elif was_default and defaults[name] != value:
            default = json.dumps(defaults[name])
            kept = json.dumps(value)
            notes.append(f"{PARAMS}: {name}: {kept} is kept; the default is now {default}")
            is_solved = values.get("train_extract.epochs") is None
            if name == VIEWS and is_solved and values.get("model.fine_tune_at") is None:
                notes[-1] += f". {COST_OF_VIEWS.format(kept)}"
    for name in OF_A_CLASS:
        if isinstance(value := values.get(name), float):
            params, note = _name_class(params, name, value, labels)
            notes.append(note)
    new = [f"{PARAMS}: {name}: new" for name in _missing(values, defaults)]
    return add_missing(params, new_defaults()) if new else params, notes + new


def _missing(values: dict[str, object], defaults: dict[str, object]) -> list[str]:
    """Return the params missing from params.yaml, except optional ones in existing sections."""
    sections = {name.split(".")[0] for name in values}
    return [
        name
        for name in defaults
        if name not in values and (name.split(".")[0] not in sections or not is_optional(name))
    ]


def _remove_param(params: str, name: str, is_kept: bool) -> str:
    """Remove a param from the params. Raises InputError if another param depends on its value."""
    others = {key: value for key, value in flat(params).items() if key != name}
    params = without_param(params, name, is_kept)
    if flat(params) != others:
        raise InputError(
            f"{PARAMS}: cannot remove {name}, because another param may refer to it. Remove it "
            "yourself."
        )
    return params


def _describe_removed(name: str, value: object, was_default: bool) -> str:
    """Return the line about a param that no longer exists."""
    if is_optional(name):
        return f"{PARAMS}: {name}: null is removed, because layers that are not listed are not used"
    if was_default or value is None:
        return f"{PARAMS}: {name}: no longer exists, and is removed"
    instead = f"Set {REPLACED[name]} instead" if name in REPLACED else "Nothing replaces it"
    return f"{PARAMS}: {name}: no longer exists; {shown(value)} is commented out. {instead}"


def _name_class(params: str, name: str, value: float, labels: list[str]) -> tuple[str, str]:
    """Assign a number to the last class by name, and return the params and a line about it.

    If the classes are unknown, the line explains what to write.
    """
    label = labels[-1] if labels else "CLASS"
    by_class = json.dumps({label: value}, ensure_ascii=False)
    if not labels:
        return params, f"{PARAMS}: {name}: write {by_class}, which names the last class"
    section, key = name.split(".")
    params = overlay(params, f"{section}: {{{key}: {by_class}}}")
    return params, f"{PARAMS}: {name}: is now {by_class}, which names the last class"


def _labels(folder: Path, values: dict[str, object]) -> list[str]:
    """Return the class names, from the params or else from the last run, or [] if unknown."""
    labels = values.get("clean.labels")
    if not isinstance(labels, dict):
        with contextlib.suppress(InputError):
            labels = read_json(folder / LABELS_JSON)
    return sorted(labels) if isinstance(labels, dict | list) else []


def merge(current: str, base: str, new: str, is_union: bool) -> str | None:
    """Merge two changes to a base with `git merge-file`. Return None if there is a conflict.

    With `is_union`, conflicts keep the lines of both.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("current", "base", "new")]
        for path, text in zip(paths, (current, base, new)):
            write_text(path, text)
        options = ("-p", "--union") if is_union else ("-p",)
        return try_git("merge-file", *options, *map(str, paths))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
