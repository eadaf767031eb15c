"""Find the package, whether it is installed or in a repository, and its version."""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import urlsplit

from pawprint.base.errors import InputError, without_secrets
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


def requirement(extras: str = "") -> str | None:
    """Return the requirement that installs this version for others, or None if they cannot.

    It is `pawprint-dvc==VERSION` from an index, or has the address of a file or of a commit, never
    with a local path, a password or a token. `extras` are such as "app,export".
    """
    found = origin()
    name = f"{DISTRIBUTION}[{extras}]" if extras else DISTRIBUTION
    if found == {}:
        return f"{name}=={installed_version()}"
    if not found or found["url"].startswith("file:"):
        return None
    address = _public(found["url"])
    if "vcs_info" in found:
        address = f"{found['vcs_info']['vcs']}+{address}@{found['vcs_info']['commit_id']}"
    sha256 = found.get("archive_info", {}).get("hashes", {}).get("sha256")
    return f"{name} @ {address}" + (f"#sha256={sha256}" if sha256 else "")


def line_of_requirement() -> str:
    """Return a project's line for this package in requirements.txt: `requirement` or a comment."""
    return requirement() or (
        f"# {DISTRIBUTION} {installed_version()} comes from this computer: edits of the package "
        "are seen, but others cannot install it"
    )


def install_command(extras: str = "") -> str:
    """Return the command that installs this version with extras, such as "app,export"."""
    if line := requirement(extras):
        return f"pip install '{line}'"
    # This module imports clients for HTTP and FTP, which stages do not need.
    from urllib.request import url2pathname

    found = origin() or {}
    place = url2pathname(urlsplit(found["url"]).path) if found else PACKAGE.parent
    option = "-e " if found.get("dir_info", {}).get("editable") else ""
    return f"pip install {option}'{place}{f'[{extras}]' if extras else ''}'"


def _public(url: str) -> str:
    """Return a URL without password, token and query, but with the user `git` of SSH."""
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        user = f"{parts.username}@" if parts.username and not parts.password else ""
        return f"ssh://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"
    return without_secrets(url)
