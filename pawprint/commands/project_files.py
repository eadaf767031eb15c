"""The files that `pawprint init` writes into a new folder, and renews after an upgrade.

Most are at the top of the repository. `requirements.txt` also has a line for this package, and the
versions of the packages that it uses.
"""

import contextlib
import functools
import json
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pawprint.base import package, paths
from pawprint.base.errors import InputError, name_some, printable
from pawprint.base.files import digest, read_text, write_json, write_text
from pawprint.base.git import git, require_committed
from pawprint.base.paths import PARAMS, PIPELINE, REQUIREMENTS, STATE
from pawprint.commands.params_file import default_params, flat, is_optional, require_valid


def locked_versions() -> tuple[list[str], list[str]]:
    """Return lines for the packages that ours requires, and for DVC and all that DVC needs.

    They come from the package's own lock, with markers. If the installed versions differ, they are
    used instead.
    """
    packaged: dict[str, list[str]] = {}
    for line in read_text(package.ROOT / REQUIREMENTS).splitlines():
        packaged.setdefault(line.partition("==")[0], []).append(line)
    of_dvc = needed = {"dvc"}
    while needed:
        needed = {name for each in needed for name in _required_by(each)} - of_dvc
        of_dvc = of_dvc | needed
    ours = _required_by(package.DISTRIBUTION) - {"dvc"}
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


IGNORE = ".gitignore"
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/figures
/plots/report.html
__pycache__/
"""
EXTENSIONS = {"recommendations": ["lakeFS.lakefs-dvc"]}  # of Visual Studio Code


def files(source: str) -> dict[str, str]:
    """Return the text of each file by its path.

    `params.yaml` and the user's tables are not included. `source` is the source of the images,
    relative to the project. DVC tracks the images; only a file with their URL is in Git itself.
    """
    is_in_git = source.endswith(paths.OF_URLS)
    root = package.ROOT
    plots = (path.relative_to(root).as_posix() for path in (root / ".dvc/plots").glob("*.json"))
    return {
        package.DVC_IGNORE: "".join(f"{name}\n" for name in package.IGNORED_BY_DVC),
        ".gitattributes": package.template(".gitattributes"),
        IGNORE: IGNORED if is_in_git else f"{IGNORED}/{source}\n",
        ".dvc/config": package.template(".dvc/config"),
        ".vscode/extensions.json": f"{json.dumps(EXTENSIONS, indent=2)}\n",
        "README.md": (package.PACKAGE / "commands/templates/README.md").read_text("utf-8"),
        "dvc.yaml": package.pipeline(),
        str(paths.REQUIREMENTS): requirements(),
        **{name: package.template(name) for name in sorted(plots)},
    }


@functools.cache  # the environment of this process does not change
def requirements() -> str:
    """Return the text of requirements.txt: this package, and the versions in use."""
    ours, of_dvc = ("".join(f"{line}\n" for line in lines) for lines in locked_versions())
    return (
        f"{package.line_of_requirement()}\n\n"
        f"# Versions of the packages that Pawprint uses:\n{ours}\n"
        f"# DVC and the packages that it needs:\n{of_dvc}\n# Packages of your own:\n"
    )


def names_in_git(source: str) -> list[str]:
    """Return the paths of all files of a project that must be in Git, unlike those of an editor.

    This includes files that a run writes. `source` is the source of the images, relative to the
    project.
    """
    outs = [out for stage in package.stages().values() for out in package.outputs_of(stage).items()]
    results = [path for path, options in outs if not options.get("cache", True)]
    written = [name for name in files(source) if not name.startswith(".vscode/")]
    names = [*written, *results, ".dvc/.gitignore"]
    names += map(str, (paths.LABELS_CSV, paths.LOCK, paths.PARAMS, paths.SPLITS_CSV, paths.STATE))
    return [*names, source if source.endswith(paths.OF_URLS) else f"{source}.dvc"]


FILES = (PIPELINE, PARAMS, REQUIREMENTS)
# The line of the package in requirements.txt, or the comment that stands for it.
OWN_LINE = re.compile(r"^(# )?pawprint[-_.]dvc(\[.*?\])?(?![\w.-]).*$", re.M | re.I)
SECTION = re.compile(r"^(?=\w)", re.MULTILINE)  # of dvc.yaml and params.yaml
ENTRY = re.compile(r"(?:^  #.*\n)*^  ([\w-]+):.*\n(?:^   .*\n|^\n(?=   ))*", re.MULTILINE)


def write_state(folder: Path) -> None:
    """Write the STATE, with this version's dvc.yaml, from which a person's changes are told."""
    state = {"version": package.installed_version(), "pipeline": package.pipeline()}
    write_json(folder / STATE, state)


def renew(folder: Path) -> tuple[list[str], str]:
    """Renew dvc.yaml, params.yaml and the package's line of requirements.txt.

    No value of a param changes. Returns lines about params, and the output of `git
    diff`. Raises InputError, before anything is written, if one of these files has uncommitted
    changes, if it cannot be renewed, or if the folder is not a project.
    """
    if not (folder / STATE).exists():
        raise InputError(f"{folder / STATE}: expected a project that `pawprint init` made.")
    package.require_current(folder)
    require_committed(folder, FILES)
    own = {path: read_text(folder / path) for path in FILES}
    params, notes = renewed_params(own[PARAMS], default_params())
    base = json.loads(read_text(folder / STATE)).get("pipeline", "")
    if "\n" not in base:  # 0.6 kept the hash alone
        if base != digest(folder / PIPELINE):
            raise InputError(
                f"{PIPELINE}: cannot tell your changes from version 0.6's own text. Undo them (see "
                f"`git log -p {PIPELINE}`), commit, run `pawprint init --renew`, and make them "
                "again."
            )
        base = own[PIPELINE]
    texts = {
        PIPELINE: renewed_pipeline(own[PIPELINE], base, package.pipeline()),
        PARAMS: params,
        REQUIREMENTS: renewed_requirements(own[REQUIREMENTS], package.line_of_requirement()),
    }
    for path, text in texts.items():
        write_text(folder / path, text)
    write_state(folder)
    return notes, git("diff", "--", *map(str, (*FILES, STATE)), folder=folder)


def renewed_pipeline(own: str, base: str, new: str) -> str:
    """Return the text `new` of a dvc.yaml with the changes from `base` to `own`, which Git merges.

    Raises InputError, with their lines, if both changed the same lines.
    """
    with tempfile.TemporaryDirectory() as place:
        names = ("yours", "before", "new")
        for name, text in zip(names, (own, base, new)):
            write_text(Path(place, name), text)
        # The status is the number of conflicts. Their style cannot be set outside a repository.
        merged = git("merge-file", "-p", *names, folder=Path(place), passes=range(128))
    if conflicts := re.findall(r"^<<<<<<< yours\n(.*?)^=======$", merged, re.M | re.S):
        lines = [line.strip() for text in conflicts for line in text.splitlines()]
        raise InputError(
            f"{PIPELINE}: cannot carry over "
            f"{name_some(map(printable, lines), 20) or 'the removal of lines'}, which the new "
            "version changes, too. Undo these changes, commit, run `pawprint init --renew`, and "
            "make them again."
        )
    return merged


def renewed_requirements(own: str, line: str) -> str:
    """Return the text of requirements.txt with this line for the package, and its extras in `own`.

    A line that installs the package stays if the new one is a comment.
    """
    found = min(OWN_LINE.finditer(own), key=lambda match: bool(match[1]), default=None)
    if found is None:
        return f"{line}\n{own}"
    if line.startswith("#") and not found[1]:
        return own
    line = line.replace(package.DISTRIBUTION, f"{package.DISTRIBUTION}{found[2] or ''}", 1)
    return f"{own[: found.start()]}{line}{own[found.end() :]}"


def renewed_params(own: str, new: str) -> tuple[str, list[str]]:
    """Return the text of a params.yaml with the params that only `new` has, and a line for each.

    They are appended to their section, with their default and comment. A param that is now wrong,
    or no longer exists, gets a line. Raises InputError if a section is not written with one param a
    line.
    """
    values, defaults = flat(own), flat(new)
    added = [name for name in defaults if name not in values and not is_optional(name)]
    text = own
    for name, lines in _entries(new):
        if name in added:
            text = _append(text, name.partition(".")[0], lines)
    is_renewed = False
    with contextlib.suppress(InputError):  # the user's indentation may be another
        is_renewed = flat(text) == values | {name: defaults[name] for name in added}
    if not is_renewed:
        raise InputError(
            f"{PARAMS}: cannot add {', '.join(added)}. Write a line for each, as in `pawprint docs "
            "params`."
        )
    notes = [f"{PARAMS}: {name}: new" for name in added]
    try:
        require_valid(text)
    except InputError as error:
        notes += str(error).splitlines()
    return text, notes


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each param or stage, such as `model.alpha`, and its lines.

    These include the comments above it.
    """
    for section in SECTION.split(text)[1:]:
        for entry in ENTRY.finditer(section):
            yield f"{section.partition(':')[0]}.{entry[1]}", entry[0]


def _append(text: str, section: str, lines: str) -> str:
    """Append lines to the end of a section, or to the text with a new section."""
    parts = SECTION.split(text)
    for number, part in enumerate(parts):
        if part.startswith(f"{section}:"):
            rows = re.match(r".*\n(?:[ ]+.*\n|\n(?=[ ]))*", part)
            end = rows.end() if rows else len(part)
            parts[number] = f"{part[:end]}{lines}{part[end:]}"
            return "".join(parts)
    return f"{text.rstrip()}\n\n{section}:\n{lines}"
