"""Where the package lies, in a repository of its own or installed; versions of it and a project."""

import contextlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTION = "pawprint-dvc"  # `pawprint` on PyPI is somebody else's
PACKAGE = Path(__file__).parent
# A wheel has the stages, and files of the repository's top folder, inside of the package.
IS_WHEEL = (PACKAGE / "stages").is_dir()
STAGES = PACKAGE / "stages" if IS_WHEEL else PACKAGE.parent / "stages"
ROOT = PACKAGE / "templates/root" if IS_WHEEL else PACKAGE.parent
EXAMPLE_MODEL = ROOT / "examples/cats_and_dogs"  # the served model of the committed results


def folders_of_code(project: Path = Path()) -> dict[str, Path]:
    """By the name that fingerprints give it, each folder of code that a project's stages run.

    A project with the folder `pawprint/` runs that, as Python does: it is the repository itself.
    All others run the installed package, and own scripts in `stages/`.
    """
    own = {name: project / name for name in ("pawprint", "stages") if (project / name).is_dir()}
    return own if "pawprint" in own else {"pawprint/stages": STAGES, "pawprint": PACKAGE} | own


def script_of(stage: str, project: Path = Path()) -> str:
    """The name of the script of a stage: the project's own, or else that of the package."""
    own = f"stages/{stage}.py"
    return own if (project / own).is_file() else f"pawprint/{own}"


def installed_version() -> str | None:
    """The version of the package, or None in a repository where it is not installed."""
    with contextlib.suppress(PackageNotFoundError):
        return version(DISTRIBUTION)
    return None
