"""The versions of packages for the requirements.txt of a new project."""

import contextlib
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pawprint.base.files import read_text
from pawprint.base.package import DISTRIBUTION, ROOT
from pawprint.base.paths import REQUIREMENTS


def locked_versions() -> tuple[list[str], list[str]]:
    """Return lines for the packages that ours requires, and for DVC and all that DVC needs.

    They come from the package's own lock, with markers. If the installed versions differ, they are
    used instead.
    """
    packaged: dict[str, list[str]] = {}
    for line in read_text(ROOT / REQUIREMENTS).splitlines():
        packaged.setdefault(line.partition("==")[0], []).append(line)
    of_dvc = needed = {"dvc"}
    while needed:
        needed = {name for each in needed for name in _required_by(each)} - of_dvc
        of_dvc = of_dvc | needed
    ours = _required_by(DISTRIBUTION) - {"dvc"}
    first, second = (
        [line for name in sorted(names) for line in as_installed(name, packaged.get(name, []))]
        for names in (ours, of_dvc - ours)
    )
    return first, second


def as_installed(name: str, lines: list[str]) -> list[str]:
    """Return a package's lines, or one with its installed version if that differs."""
    with contextlib.suppress(PackageNotFoundError):
        installed = version(name)
        here = [line for line in map(Requirement, lines) if _holds_here(line)]
        if not here or any(installed not in line.specifier for line in here):
            return [f"{name}=={installed}"]
    return lines


def _required_by(name: str) -> set[str]:
    """Return the packages that an installed one requires on this computer, without extras."""
    with contextlib.suppress(PackageNotFoundError):
        lines = map(Requirement, requires(name) or ())
        return {canonicalize_name(line.name) for line in lines if _holds_here(line)}
    return set()


def _holds_here(line: Requirement) -> bool:
    return line.marker is None or line.marker.evaluate({"extra": ""})
