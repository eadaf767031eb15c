"""Find the package, its version and processor, how others install it, and what projects get."""

import json
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pawprint.base.errors import InputError, name_some, without_secrets
from pawprint.base.files import OF_SYSTEMS, read_text
from pawprint.base.paths import STATE
from pawprint.base.yaml_file import parse_mapping, read_mapping

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


def architecture() -> str:
    """Return the processor's architecture, such as x86_64. Another one computes other last bits."""
    return platform.machine().replace("AMD64", "x86_64")  # Windows has another name


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


DVC_IGNORE = ".dvcignore"
IGNORED_BY_DVC = ("/.venv", *OF_SYSTEMS)
OUTS = ("outs", "metrics", "plots")  # keys of a stage in dvc.yaml
# Keys of outputs that affect neither the results nor which of them are kept.
SHOWN = {"desc", "template", "title", "x", "x_label", "y", "y_label"}


def template(name: str) -> str:
    """Return the text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def lies_outside(source: str) -> bool:
    """Return whether a path, such as the one of the images, leads out of the project."""
    return bool(Path(source).anchor) or ".." in Path(source).parts


def leaves_out(source: str, names: Iterable[str]) -> bool:
    """Return whether DVC may skip files in a folder because of a user's .dvcignore.

    `names` are the files, relative to the folder `source`.
    """
    if any(PurePosixPath(name).name == DVC_IGNORE for name in names):
        return True
    lines = read_text(Path(DVC_IGNORE)).splitlines() if Path(DVC_IGNORE).is_file() else []
    patterns = {line for line in lines if line.strip() and not line.startswith("#")}
    return not lies_outside(source) and not patterns <= {*IGNORED_BY_DVC}


def pipeline() -> str:
    """Return a `dvc.yaml` with the stages of the installed package.

    With `-P`, Python imports nothing from the project, such as a user's `copy.py`. `code` always
    runs, because no dependency shows that the package has changed.
    """
    text = template("dvc.yaml").replace("python -m stages.", "python -P -m pawprint.stages.")
    text = text.replace(
        "    deps: [labels.csv, params.yaml, pawprint, requirements.txt, splits.csv, stages]\n",
        "    deps: [labels.csv, params.yaml, requirements.txt, splits.csv]\n"
        "    always_changed: true\n",
    )
    # DVC would change the mode of a file that persists, which fails if it belongs to another user.
    return re.sub(r"\[data/code: .*", "[data/code]", text)


def stages() -> dict[str, dict]:
    """Return the stages of `pipeline`, keyed by name."""
    return parse_mapping(pipeline(), "template")["stages"]


def require_stages(path: Path) -> None:
    """Raise InputError if a `dvc.yaml` lacks part of the package's own stages.

    DVC would then keep outdated results, for example after an upgrade of the package. A project may
    add stages, and entries to each stage. A stage with a script of the project's own must run it,
    and is not compared.
    """
    own = read_mapping(path).get("stages") or {}
    for name, stage in stages().items():
        entry = own.get(name) or {}
        missing = _parts_of(stage) - _parts_of(entry)
        if (path.parent / f"stages/{name}.py").is_file():
            if entry.get("cmd") == stage["cmd"]:  # DVC would run another script than `code` reads
                raise InputError(
                    f"{path}: stages.{name}.cmd: expected a command that runs stages/{name}.py. "
                    "Received: the package's script."
                )
        elif missing:
            raise InputError(
                f"{path}: stages.{name}: expected {name_some(sorted(missing))}, as in the "
                "package's stage. Add it, or run `pawprint init --renew`."
            )


def _parts_of(stage: dict) -> set[str]:
    """Return what decides when a stage runs, and which outputs are kept, as short texts."""
    parts = {f"always_changed: {stage['always_changed']}"} if "always_changed" in stage else set()
    for key in ("deps", "params"):
        parts |= {f"{key}: {entry}" for entry in stage.get(key) or ()}
    for path, options in outputs_of(stage).items():
        kept = {name: value for name, value in options.items() if name not in SHOWN}
        parts.add(f"output: {path} {kept or ''}".rstrip())
    return parts


def outputs_of(stage: dict) -> dict[str, dict]:
    """Return the options of each output of a stage in `dvc.yaml`, keyed by path."""
    outs = [out for key in OUTS for out in stage.get(key) or ()]
    return {
        path: options or {}
        for out in outs
        for path, options in (out.items() if isinstance(out, dict) else [(out, {})])
    }
