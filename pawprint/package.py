"""The place of the package, a repository or an installed one; versions of it and of a project."""

import contextlib
import json
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from pawprint.paths import STATE

DISTRIBUTION = "pawprint-dvc"  # `pawprint` on PyPI is somebody else's
PACKAGE = Path(__file__).parent
# A wheel has the stages, and files of the repository's top folder, inside of the package.
IS_WHEEL = (PACKAGE / "stages").is_dir()
STAGES = PACKAGE / "stages" if IS_WHEEL else PACKAGE.parent / "stages"
ROOT = PACKAGE / "templates/root" if IS_WHEEL else PACKAGE.parent
EXAMPLE_MODEL = ROOT / "examples/cats_and_dogs"  # the served model of the committed results


def folders_of_code(project: Path = Path()) -> dict[str, Path]:
    """By the name that fingerprints give it, each folder of code that a project's stages run.

    The repository itself, or a copy of it, runs its own. All others run the installed package, and
    own scripts in `stages/`.
    """
    own = {name: project / name for name in ("pawprint", "stages") if (project / name).is_dir()}
    if is_repository(project):
        return own
    own.pop("pawprint", None)  # another folder of this name
    return {"pawprint/stages": STAGES, "pawprint": PACKAGE} | own


def is_repository(project: Path) -> bool:
    """Return whether a folder is this repository or a copy of it, which runs its own code.

    A project that `pawprint init` made may have a folder `pawprint/` of the user's.
    """
    return (project / "pawprint").is_dir() and not (project / STATE).exists()


def python_in(project: Path = Path()) -> list[str]:
    """Return the command of this Python for modules, of which none is found in a project."""
    return [sys.executable] if is_repository(project) else [sys.executable, "-P"]


def script_of(stage: str, project: Path = Path()) -> str:
    """Return the name of the script of a stage: the project's own, or else the package's."""
    own = f"stages/{stage}.py"
    return own if (project / own).is_file() else f"pawprint/{own}"


def pages() -> str:
    """Return where the pages about the package are: below the address that it was installed from.

    pip records the address (PEP 610). Without one, as from an index, return "the repository".
    """
    from pawprint.errors import without_secrets

    with contextlib.suppress(PackageNotFoundError):
        if record := distribution(DISTRIBUTION).read_text("direct_url.json"):
            return f"{without_secrets(json.loads(record)['url']).rstrip('/')}/docs"
    return "docs/ of the repository"


def installed_version() -> str | None:
    """Return the version of the package, or None in a repository where it is not installed."""
    with contextlib.suppress(PackageNotFoundError):
        return version(DISTRIBUTION)
    return None
