"""The versions that `requirements.txt` pins, and those that are installed."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path("requirements.txt")


def read_pins(path: Path = REQUIREMENTS) -> dict[str, list[str]]:
    """The lines of each distribution, as they stand; there are several with different markers."""
    pins: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"[A-Za-z0-9._-]+(?===)", line):
            pins.setdefault(canonicalize_name(found[0]), []).append(line)
    return pins


def not_as_pinned(lines: Iterable[str]) -> list[str]:
    """Such as "pillow 11.0.0 in place of 12.0.0", for what these lines pin on this computer."""
    found = []
    for line in lines:
        pin = Requirement(line)
        if pin.marker and not pin.marker.evaluate():
            continue
        try:
            installed = version(pin.name)
        except PackageNotFoundError:
            installed = "none"
        if not pin.specifier.contains(installed, prereleases=True):
            found.append(f"{pin.name} {installed} in place of {str(pin.specifier)[2:]}")
    return found
