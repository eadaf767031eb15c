"""Read requirements.txt, and write the versions in it for a new project."""

import contextlib
import functools
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pawprint.files import read_text
from pawprint.package import DISTRIBUTION, ROOT
from pawprint.paths import REQUIREMENTS

# Distributions that have the same modules and results as a pinned one; see docs/install.md.
SAME = {"tensorflow-cpu": "tensorflow"}


def read_pins(path: Path = REQUIREMENTS) -> dict[str, list[str]]:
    """Return the lines `NAME==VERSION` for each distribution, or several if markers differ.

    Comments, options, extras and lines that do not pin a single version are left out. A
    distribution in SAME counts as the one that it replaces.
    """
    pins: dict[str, list[str]] = {}
    for line in read_text(path).splitlines():
        with contextlib.suppress(InvalidRequirement):
            text = re.split(r"(?:^|\s+)(?:#|--|\\)", line)[0]  # no comment, options and hashes
            pin = Requirement(text)
            if [each.operator for each in pin.specifier] == ["=="] and "*" not in str(
                pin.specifier
            ):
                name = SAME.get(canonicalize_name(pin.name), canonicalize_name(pin.name))
                marker = "".join(f" ; {part.strip()}" for part in text.split(";")[1:])
                pins.setdefault(name, []).append(f"{name}{pin.specifier}{marker}")
    return pins


@functools.cache  # all stages use the same few modules
def installed_version(name: str) -> str | None:
    """Return the version of a distribution, or of its replacement in SAME, or None."""
    for each in (name, *(other for other, pinned in SAME.items() if pinned == name)):
        with contextlib.suppress(PackageNotFoundError):
            return version(each)
    return None


def not_as_pinned(lines: Iterable[str]) -> list[str]:
    """Return text such as "pillow 11.0.0 instead of 12.0.0" for each pin that is not installed."""
    differing = []
    for pin in filter(_holds_here, map(Requirement, lines)):
        installed = installed_version(canonicalize_name(pin.name))
        if installed is None or not pin.specifier.contains(installed, prereleases=True):
            wanted = str(pin.specifier)[2:]
            differing.append(f"{pin.name} {installed or 'none'} instead of {wanted}")
    return differing


def _holds_here(line: Requirement) -> bool:
    return line.marker is None or line.marker.evaluate({"extra": ""})


def versions_of(name: str, pins: list[str]) -> list[str]:
    """Return the pins of a distribution, or a line with its installed version if that differs.

    If the distribution is not installed, the pins are returned. Returns [] if both are missing.
    """
    installed = installed_version(name)
    if installed is None:
        return pins
    is_locked = any(map(_holds_here, map(Requirement, pins))) and not not_as_pinned(pins)
    return pins if is_locked else [f"{name}=={installed}"]


def locked_versions() -> tuple[list[str], list[str]]:
    """Return lines for the packages that ours requires, and for DVC and all that DVC needs.

    They come from the package's own lock, with markers. If the installed versions differ, they are
    used instead.
    """
    packaged = read_pins(ROOT / REQUIREMENTS)
    of_dvc = needed = {"dvc"}
    while needed:
        needed = {name for each in needed for name in _required_by(each)} - of_dvc
        of_dvc = of_dvc | needed
    ours = _required_by(DISTRIBUTION) - {"dvc"}
    lines = [
        [line for name in sorted(names) for line in versions_of(name, packaged.get(name, []))]
        for names in (ours, of_dvc - ours)
    ]
    return lines[0], lines[1]


def _required_by(name: str) -> set[str]:
    """Return the distributions that an installed one requires on this computer, without extras."""
    with contextlib.suppress(PackageNotFoundError):
        lines = map(Requirement, requires(name) or ())
        return {canonicalize_name(line.name) for line in lines if _holds_here(line)}
    return set()
