"""Edit params.yaml with ruamel.yaml, which keeps comments, order and all other values."""

import difflib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pawprint.errors import InputError, printable
from pawprint.files import read_text, write_text
from pawprint.params.changes import describe_param_changes
from pawprint.params.earlier import require_current
from pawprint.params.model import Params
from pawprint.params.section import Section, check_content
from pawprint.paths import PARAMS
from pawprint.yaml_file import parse_yaml

NULL = "tag:yaml.org,2002:null"
GOES_ON = (";", ":", ",")  # endings of a comment that continues on the next line


def overlay(params: str, changes: str) -> str:
    """Change values in the text of `params.yaml`. Comments and order stay the same.

    Raises InputError if `changes` has a key that is not in `params.yaml`.
    """
    values: dict[str, object] = {}
    for section, keys in _yaml().load(changes).items():
        values |= {f"{section}.{key}": value for key, value in keys.items()}
    return set_values(params, values)


def set_values(params: str, values: Mapping[str, object]) -> str:
    """Change values by name, such as `model.alpha` or `train_finetune.epochs.seed`.

    Comments and order stay the same. Raises InputError if a name is not in `params.yaml` and is not
    optional.
    """
    absent = [name for name, value in values.items() if value is None and is_optional(name)]
    for name in absent:
        if name in flat(params):
            params = without_param(params, name, is_kept=False)
    yaml = _yaml()
    content = yaml.load(params)
    for name, value in values.items():
        if name not in absent:
            _set_value(content, name, value)
    yaml.dump(content, text := io.StringIO())
    return text.getvalue()


def _set_value(content: CommentedMap, name: str, value: object) -> None:
    """Set a value in the file, without the comments of a recipe."""
    if isinstance(value, CommentedMap):
        value.ca.comment = None
    elif isinstance(value, dict):
        value = CommentedMap(value)
        value.fa.set_flow_style()  # on one line, so that comments stay in place
    section, key, *inner = name.split(".")
    keys = content.get(section) or CommentedMap()
    if inner:
        _set_inner(keys.get(key), name, value)
        return
    if is_optional(name) and key not in keys:
        _insert(keys, section, key, value)
    if key not in keys:
        raise InputError(f"cannot set {name}: {PARAMS} has no such key. Check the name.")
    keys[key] = value
    _keep_near(keys.ca.items.get(key))


def _insert(keys: CommentedMap, section: str, key: str, value: object) -> None:
    """Add a key to a section, in the order of the section's model."""
    names = list(section_of(section).model_fields)
    later = names[names.index(key) :]
    place = next((at for at, other in enumerate(keys) if other in later), len(keys))
    keys.insert(place, key, value)


def _set_inner(mapping: object, name: str, value: object) -> None:
    """Set a key inside a param that is a mapping, such as `epochs`."""
    param, _, key = name.rpartition(".")
    if not isinstance(mapping, dict):
        raise InputError(
            f"cannot set {name}: {param} is not a mapping. Set {param} to a mapping with {key}."
        )
    mapping[key] = value


def is_optional(name: str) -> bool:
    """Return whether a param may be missing from `params.yaml`, such as a layer of `augment`."""
    section, _, key = name.partition(".")
    fields = section_of(section).model_fields if section in Params.model_fields else {}
    return key in fields and not fields[key].is_required()


def section_of(name: str) -> type[Section]:
    """Return the model for a section of `params.yaml`."""
    return get_type_hints(Params)[name]


def add_missing(params: str, template: str) -> str:
    """Add params that are only in a template to the text of `params.yaml`, with their comments.

    They are added at the beginning of their section, because the last param in a section may be
    followed by comments on the next section.
    """
    yaml = _yaml()
    content = yaml.load(params)
    for section, values in yaml.load(template).items():
        is_new = section not in content
        keys = content.setdefault(section, CommentedMap())
        for key, value in reversed(list(values.items())):
            if key not in keys and (is_new or not is_optional(f"{section}.{key}")):
                comment = values.ca.items.get(key)
                lines = comment[2].value.partition("\n\n")[0] if comment and comment[2] else ""
                comment_text = " ".join(line.strip("# ") for line in lines.splitlines())
                keys.insert(0, key, value, comment_text or None)
    yaml.dump(content, text := io.StringIO())
    return text.getvalue()


def without_param(params: str, name: str, is_kept: bool) -> str:
    """Remove a param from the text of `params.yaml`. Other lines are not changed.

    With `is_kept`, a comment keeps its name and value. A section without params is also removed,
    and so is the rest of a comment that continues below the line of the param after one of GOES_ON.
    """
    section, key = name.split(".", 1)
    root = _yaml().compose(params)
    head, keys = next(pair for pair in root.value if pair[0].value == section)
    start, end = next(pair for pair in keys.value if pair[0].value == key)
    rows = params.splitlines(keepends=True)
    if keys.flow_style:  # {key: value, …}, possibly on several lines
        at = head.start_mark.index
        first = head.start_mark.line
        text = params[start.start_mark.index : end.end_mark.index]
        # Search backwards to the previous param or the {.
        left = params[at : start.start_mark.index].rstrip(", ")
        right = params[end.end_mark.index :].lstrip(", ")
        comma = "" if left.endswith("{") or right.startswith("}") else ", "
        rows = f"{params[:at]}{left}{comma}{right}".splitlines(keepends=True)
        comment = [f"# {section}.{' '.join(text.split())}\n"]
        last = first + 1 if len(keys.value) == 1 else first
    else:
        first = start.start_mark.line
        last = end.end_mark.line + (end.end_mark.column > 0)
        while not rows[last - 1].strip():  # skip blank lines after a text block
            last -= 1
        while rows[last - 1].rstrip().endswith(GOES_ON) and _is_comment("".join(rows[last:][:1])):
            last += 1
        indent = " " * start.start_mark.column
        comment = [f"{indent}# {section}.{rows[first].lstrip()}"]
        comment += [
            row if _is_comment(row) else f"{indent}# {row[len(indent) :]}"
            for row in rows[first + 1 : last]
        ]
    rows[first:last] = comment if is_kept else []
    if len(keys.value) == 1 and not is_kept:
        if not keys.flow_style:
            first = head.start_mark.line
            del rows[first]
        if not "".join(rows[first - 1 : first + 1]).strip():  # the lines around the section
            del rows[first : first + 1]
    elif len(keys.value) == 1 and not keys.flow_style:
        del rows[head.start_mark.line]
    return "".join(rows)


def _is_comment(row: str) -> bool:
    return row.lstrip().startswith("#")


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # do not wrap long lines
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar(NULL, "null")
    )
    return yaml


def _keep_near(comments: list | None) -> None:
    """Move the comment at the end of a changed line to two spaces after the new value."""
    # Otherwise, it would become a blank line.
    if comments and comments[2] and comments[2].value.startswith("#"):
        comments[2].column = 0
        comments[2].value = f" {comments[2].value}"


def flat(text: str) -> dict[str, object]:
    """Return the values of all params, keyed by name, such as `model.alpha`.

    Raises InputError if the text is not YAML, or does not consist of sections.
    """
    content = parse_yaml(text, str(PARAMS))
    if not isinstance(content, dict):
        raise InputError(f"{PARAMS}: expected sections with params. Received: something else.")
    if not all(isinstance(section, dict) for section in content.values()):
        names = [name for name, section in content.items() if not isinstance(section, dict)]
        raise InputError(f"{PARAMS}: {names[0]}: expected a section with params.")
    return {f"{name}.{key}": value for name, keys in content.items() for key, value in keys.items()}


def set_params(folder: Path, changes: Mapping[str, object]) -> list[str]:
    """Write values to the params.yaml of a project, using the same names as `set_values`.

    Returns a line for each param that changed. Raises InputError, and writes nothing, if a name or
    a value is wrong, or if the file is from an earlier version.
    """
    for name in changes:
        _require_param(name)
    before = read_text(folder / PARAMS)
    require_current(folder)
    text = set_values(before, changes)
    check_content(Params, parse_yaml(text, str(PARAMS)), PARAMS, [])
    write_text(folder / PARAMS, text)
    return describe_param_changes(flat(before), flat(text))


def _require_param(name: str) -> None:
    """Raise InputError unless a name is a section and a param, possibly with an inner key."""
    params = [
        f"{each}.{key}" for each in Params.model_fields for key in section_of(each).model_fields
    ]
    param, _, inner = name.partition(".")[2].partition(".")
    if f"{name.partition('.')[0]}.{param}" in params and "." not in inner:
        return
    if inside := [param for param in params if param.startswith(f"{name}.")]:
        raise InputError(
            f"{PARAMS}: {name}: expected the name of a param, such as {inside[0]}. Received: a "
            "section."
        )
    near = difflib.get_close_matches(name, params, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "docs/params.md lists all params."
    raise InputError(f"{PARAMS}: {printable(name)}: expected the name of a param. {hint}")
