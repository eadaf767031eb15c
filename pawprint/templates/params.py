"""`params.yaml` of a project: new params are added to it, and all that the user wrote stays."""

import yaml

from pawprint.errors import InputError
from pawprint.project import PARAMS
from pawprint.yaml import parse_yaml

# Params of earlier versions, and what to set instead.
REPLACED = {"calibrate.views": "calibrate.test_time_augmentation"}


def flat(text: str) -> dict[str, object]:
    """The value of each param by its name, such as `model.alpha`.

    Raises InputError if the text is no YAML, or not made of sections.
    """
    content = parse_yaml(text, str(PARAMS))
    if not isinstance(content, dict) or not all(
        isinstance(each, dict) for each in content.values()
    ):
        raise InputError(f"{PARAMS}: expected sections with params. Received: something else.")
    return {f"{name}.{key}": value for name, keys in content.items() for key, value in keys.items()}


def add_new_params(text: str, template: str) -> str:
    """The text with the params that it lacks, as they stand in the template, with their comments.

    Raises InputError as `flat`, and if a section that lacks a param is in braces.
    """
    known = flat(text)
    lines, new = text.splitlines(), template.splitlines()
    for section in parse_yaml(template, "template"):
        if not any(name.startswith(f"{section}.") for name in known):
            lines += ["", f"{section}:"]
        before = None
        for key, (start, stop) in _blocks(new, section)[2].items():
            if f"{section}.{key}" not in known:
                at, column, there = _blocks(lines, section)
                at = there[before][1] if before in there else at
                lines[at:at] = [f"{' ' * column}{line.lstrip()}" for line in new[start:stop]]
            before = key
    added = "\n".join(lines) + "\n"
    if not flat(template).keys() <= flat(added).keys():  # as after a line `...`
        raise InputError(f"{PARAMS}: expected one document of YAML, to add new params.")
    return added


def _blocks(lines: list[str], section: str) -> tuple[int, int, dict[str, tuple[int, int]]]:
    """The line after that of a section, and the column of its params; by param, its first line and
    the one after its last.

    Comments in lines of their own belong to the param before them if that has one at its end, and
    else to the one after them.
    """
    root = yaml.compose("\n".join(lines), yaml.SafeLoader)
    keys = [key.start_mark.line for key, _ in root.value] + [len(lines)]
    (at,) = (at for at, (name, _) in enumerate(root.value) if name.value == section)
    begin, content, blocks = keys[at] + 1, root.value[at][1], {}
    if getattr(content, "flow_style", False):
        raise InputError(
            f"{PARAMS}: {section}: expected one line for each param, to add new ones. Received: "
            "braces. Write each param in a line of its own."
        )
    params = content.value or []  # "" for a section without any
    column = params[0][0].start_mark.column if params else 2
    starts = [key.start_mark.line for key, _ in params[1:]] + [keys[at + 1]]
    for (key, _), stop in zip(params, starts):
        end = stop
        while not lines[end - 1].split("#")[0].strip():
            end -= 1
        if " #" in lines[end - 1]:
            while end < stop and lines[end].startswith(" "):
                end += 1
        blocks[key.value] = begin, end
        begin = end
    return keys[at] + 1, column, blocks
