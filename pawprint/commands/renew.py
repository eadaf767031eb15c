"""Renew a project's files after the package was upgraded."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from pawprint.base.errors import InputError
from pawprint.base.files import read_text, write_json, write_text
from pawprint.base.git import git
from pawprint.base.package import (
    DISTRIBUTION,
    installed_version,
    line_of_requirement,
    pipeline,
    require_current,
)
from pawprint.base.paths import PARAMS, PIPELINE, REQUIREMENTS, STATE
from pawprint.base.yaml_file import parse_mapping
from pawprint.commands.params_file import flat, is_optional
from pawprint.commands.recipes import new_params, require_committed

FILES = (PIPELINE, PARAMS, REQUIREMENTS)
# The line of the package in requirements.txt, or the comment that stands for it.
OWN_LINE = re.compile(rf"^(# )?{DISTRIBUTION}\b.*$", re.MULTILINE | re.IGNORECASE)
SECTION = re.compile(r"^(?=\w)", re.MULTILINE)  # of dvc.yaml and params.yaml
ENTRY = re.compile(r"(?:^  #.*\n)*^  (\w+):.*\n(?:^   .*\n)*", re.MULTILINE)
COMMAND = re.compile(r"^    cmd:.*\n(?:     .*\n)*", re.MULTILINE)  # of a stage in dvc.yaml


def renew(folder: Path) -> tuple[list[str], str]:
    """Renew dvc.yaml, params.yaml and the package's line of requirements.txt.

    No value of a param changes. Returns lines about params, and the output of `git
    diff`. Raises InputError, before anything is written, if one of these files has uncommitted
    changes, if it cannot be renewed, or if the folder is not a project.
    """
    if not (folder / STATE).exists():
        raise InputError(f"{folder / STATE}: expected a project that `pawprint init` made.")
    require_current(folder)
    require_committed(folder, FILES)
    params, notes = renewed_params(read_text(folder / PARAMS), new_params())
    texts = {
        PIPELINE: renewed_pipeline(read_text(folder / PIPELINE), pipeline()),
        PARAMS: params,
        REQUIREMENTS: renewed_requirements(read_text(folder / REQUIREMENTS), line_of_requirement()),
    }
    for path, text in texts.items():
        write_text(folder / path, text)
    write_json(folder / STATE, {"version": installed_version()})
    return notes, git("diff", "--", *map(str, (*FILES, STATE)), folder=folder)


def renewed_pipeline(own: str, new: str) -> str:
    """Return the text `new` of a dvc.yaml with what is the user's in `own`.

    This is all stages that `new` lacks, each stage's `cmd`, and its dependencies in `stages/`.
    Raises InputError for a stage that is not indented as DVC does.
    """
    before = parse_mapping(own, PIPELINE.name).get("stages") or {}
    stages, template = dict(_entries(own)), dict(_entries(new))
    text = new
    for name, stage in before.items():
        lines = stages.get(f"stages.{name}", "")
        if f"stages.{name}" not in template:
            text = _append(text, "stages", f"\n{lines}")
            continue
        renewed = template[f"stages.{name}"]
        if command := COMMAND.search(lines):
            renewed = COMMAND.sub(lambda _: command[0], renewed)
        for dep in stage.get("deps") or ():
            if str(dep).startswith("stages/"):
                renewed = re.sub(
                    r"^    deps:\n", f"    deps:\n      - {dep}\n", renewed, flags=re.M
                )
                renewed = renewed.replace("    deps: [", f"    deps: [{dep}, ")
        text = text.replace(template[f"stages.{name}"], renewed)
    after = parse_mapping(text, PIPELINE.name)["stages"]
    for name, stage in before.items():
        if after.get(name, {}).get("cmd") != stage.get("cmd"):
            raise InputError(f"{PIPELINE}: stages.{name}: expected an indent of two spaces.")
    return text


def renewed_requirements(own: str, line: str) -> str:
    """Return the text of requirements.txt with this line for the package."""
    renewed, found = OWN_LINE.subn(lambda _: line, own, count=1)
    return renewed if found else f"{line}\n{own}"


def renewed_params(own: str, new: str) -> tuple[str, list[str]]:
    """Return the text of a params.yaml with the params that only `new` has, and a line for each.

    They are appended to their section, with their default and comment. A param that no longer
    exists gets a line. Raises InputError if a section is not written with one param a line.
    """
    values, defaults = flat(own), flat(new)
    added = [name for name in defaults if name not in values and not is_optional(name)]
    gone = [name for name in values if name not in defaults and not is_optional(name)]
    text = own
    for name, lines in _entries(new):
        if name in added:
            text = _append(text, name.partition(".")[0], lines)
    is_renewed = False
    with contextlib.suppress(InputError):  # the user's indentation may be another
        is_renewed = flat(text) == values | {name: defaults[name] for name in added}
    if not is_renewed:
        raise InputError(
            f"{PARAMS}: cannot add {', '.join(added)}. Write a line for each, as in docs/params.md."
        )
    notes = [f"{PARAMS}: {name}: new" for name in added]
    return text, notes + [f"{PARAMS}: {name}: no longer exists. Remove it" for name in gone]


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each param or stage, such as `model.alpha`, and its lines.

    These include the comments above it.
    """
    for section in SECTION.split(text)[1:]:
        for entry in ENTRY.finditer(section):
            yield f"{section.partition(':')[0]}.{entry[1]}", entry[0]


def _append(text: str, section: str, lines: str) -> str:
    """Append lines to the end of a section, or to the text with a new section."""
    parts = SECTION.split(text)
    for number, part in enumerate(parts):
        if part.startswith(f"{section}:"):
            rows = re.match(r".*\n(?:[ ]+.*\n|\n(?=[ ]))*", part)
            end = rows.end() if rows else len(part)
            parts[number] = f"{part[:end]}{lines}{part[end:]}"
            return "".join(parts)
    return f"{text.rstrip()}\n\n{section}:\n{lines}"
