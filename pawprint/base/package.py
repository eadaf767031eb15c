"""Find the package, whether it is installed or in a repository, and its version."""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from pawprint.base.errors import InputError
from pawprint.base.paths import STATE

DISTRIBUTION = "pawprint-dvc"  # the name `pawprint` on PyPI belongs to somebody else
PACKAGE = Path(__file__).parents[1]
# In a wheel, the package includes the stages and files from the repository's top folder.
IS_WHEEL = (PACKAGE / "stages").is_dir()
STAGES = PACKAGE / "stages" if IS_WHEEL else PACKAGE.parent / "stages"
ROOT = PACKAGE / "root" if IS_WHEEL else PACKAGE.parent
EXAMPLE_MODEL = ROOT / "examples/cats_and_dogs"  # the served model of the committed results


def folders_of_code(project: Path = Path()) -> dict[str, Path]:
    """Return the code folders that a project's stages run, keyed by their name in fingerprints.

    The repository, or a copy of it, runs its own code. All other projects run the installed
    package, and their own scripts in `stages/`.
    """
    own = {name: project / name for name in ("pawprint", "stages") if (project / name).is_dir()}
    if is_repository(project):
        return own
    own.pop("pawprint", None)  # another folder with this name
    return {"pawprint/stages": STAGES, "pawprint": PACKAGE} | own


def is_repository(project: Path) -> bool:
    """Return whether a folder is this repository or a copy of it, which runs its own code.

    A project made by `pawprint init` may have a user's folder called `pawprint/`.
    """
    return (project / "pawprint").is_dir() and not (project / STATE).exists()


def require_current(project: Path = Path()) -> None:
    """Raise InputError if a version before 0.6 made a project, which only that version can run."""
    path = project / STATE
    if path.is_file() and '"files"' in path.read_text(encoding="utf-8"):
        raise InputError(
            f"{path}: expected a project of version 0.6 or later. Received: an earlier one. Create "
            "a new one with `pawprint init`, and copy labels.csv and splits.csv into it."
        )


def python_in(project: Path = Path()) -> list[str]:
    """Return the command that runs modules with this Python, ignoring modules in the project."""
    return [sys.executable] if is_repository(project) else [sys.executable, "-P"]


def script_of(stage: str, project: Path = Path()) -> str:
    """Return the name of a stage's script, either the project's own or the package's."""
    own = f"stages/{stage}.py"
    return own if (project / own).is_file() else f"pawprint/{own}"


def installed() -> Distribution | None:
    """Return the installed package, or None if a clone runs without installation.

    A build leaves metadata without an installer in its folder, which does not count.
    """
    found = distributions(name=DISTRIBUTION)
    return next((package for package in found if package.read_text("INSTALLER")), None)


def origin() -> dict | None:
    """Return the content of `direct_url.json`; {} for an index, None if nothing is installed.

    pip and uv write this file (PEP 610), except for packages from an index.
    """
    package = installed()
    return None if package is None else json.loads(package.read_text("direct_url.json") or "{}")


def installed_version() -> str | None:
    """Return the package's version, or None in a repository in which it is not installed."""
    package = installed()
    return None if package is None else package.version
