"""Read and renew a project's lock: the versions in requirements.txt that affect bytes."""

import contextlib
import functools
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pawprint.files import read_text
from pawprint.package import DISTRIBUTION, ROOT
from pawprint.paths import REQUIREMENTS

# Distributions that have the same modules and results as a pinned one; see docs/install.md.
SAME = {"tensorflow-cpu": "tensorflow"}
# Distributions in the fingerprints of stages, for which `init` writes a line.
DECIDE_BYTES = (
    *("h5py", "jinja2", "keras", "keras-nightly", "markupsafe", "matplotlib", "numpy"),
    *("opencv-python-headless", "openvino", "pandas", "pi-heif", "pillow", "pyyaml", "requests"),
    *("scikit-learn", "scipy", "simplejpeg", "tensorflow", "threadpoolctl", "urllib3"),
)
PIN = re.compile(r"([\w.-]+)(?:\s*\[[^]]*\])?\s*==\s*([^\s;,*]+\s*(?:;.*)?)$")
NAME = re.compile(r"[\w.-]+")
EGG = re.compile(r"#egg=([\w.-]+)")


def read_pins(path: Path = REQUIREMENTS) -> dict[str, list[str]]:
    """Return the lines `NAME==VERSION` for each distribution, or several if markers differ.

    Comments, options, extras and lines that do not pin a single version are left out. A
    distribution in SAME counts as the one that it replaces.
    """
    pins: dict[str, list[str]] = {}
    for line in read_text(path).splitlines():
        if pin := PIN.match(_content(line)):
            name = canonicalize_name(pin[1])
            version_and_marker = " ".join(pin[2].split())
            text = f"{SAME.get(name, pin[1])}=={version_and_marker}"
            pins.setdefault(SAME.get(name, name), []).append(text)
    return pins


def _content(line: str) -> str:
    """Return a line of requirements.txt without comment, options and hashes."""
    return re.split(r"(?:^|\s+)(?:#|--|\\)", line)[0].strip()


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


def _holds_here(pin: Requirement) -> bool:
    return pin.marker is None or pin.marker.evaluate()


def versions_of(name: str, pins: list[str]) -> list[str]:
    """Return the pins of a distribution, or a line with its installed version if that differs.

    If the distribution is not installed, the pins are returned. Returns [] if both are missing.
    """
    installed = installed_version(name)
    if installed is None:
        return pins
    is_locked = any(map(_holds_here, map(Requirement, pins))) and not not_as_pinned(pins)
    return pins if is_locked else [f"{name}=={installed}"]


def locked_versions() -> list[str]:
    """Return the lines for DECIDE_BYTES in a new project.

    They come from the package's own lock, with markers. If the installed versions differ, they are
    used instead.
    """
    packaged = read_pins(ROOT / REQUIREMENTS)
    return [line for name in DECIDE_BYTES for line in versions_of(name, packaged.get(name, []))]


def renew_lock(current: str, base: str, new: str) -> tuple[str, list[str]]:
    """Renew the lines of requirements.txt that the user has not changed.

    `base` is the text that `init` or the last upgrade wrote, and `new` is the text of this version.
    Returns the merged text, and the names of distributions for which the user's line is kept
    instead of a new one.
    """
    written, wanted, own = _by_name(base), _by_name(new), _by_name(current)
    renewed = {name for name in written if set(written[name]) <= set(own.get(name, ()))}
    owned = wanted.keys() & own.keys() - renewed
    kept = [name for name in sorted(owned) if wanted[name] not in (own[name], written.get(name))]
    lines: list[str] = []
    for line in current.splitlines():
        name = _name_of(line)
        if name not in renewed or line not in written[name]:
            lines.append(line)
        elif line == written[name][0]:
            lines += wanted.get(name, [])
    place = 0
    for name, texts in wanted.items():
        if name not in own and name not in written:
            is_heading = name.startswith("#")
            added = ["", *texts] if is_heading and place and lines[place - 1] else texts
            lines[place:place] = added
            place += len(added)
        places = [n for n, line in enumerate(lines, 1) if _name_of(line) == name]
        place = max([place, *places])
    return "".join(f"{line}\n" for line in lines), kept


def _by_name(text: str) -> dict[str, list[str]]:
    """Return the lines of requirements.txt keyed by distribution, or by its text for a comment."""
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        if name := _name_of(line):
            lines.setdefault(name, []).append(line)
    return lines


def _name_of(line: str) -> str:
    """Return the distribution that a line is for, or the comment itself, or "" for other lines."""
    if line.startswith(f"# {DISTRIBUTION} "):  # stands for a missing line
        return DISTRIBUTION
    if line.lstrip().startswith("#"):
        return line.strip()
    if egg := EGG.search(line):
        return canonicalize_name(egg[1])
    content = _content(line)
    name = NAME.match(content)
    return canonicalize_name(name[0]) if name and not content.startswith("-") else ""
