"""The texts of the files that `pawprint init` writes into a project.

They are at the top of the repository. `requirements.txt` also has a line for this package, and the
versions of the packages that it uses.
"""

import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pawprint import paths
from pawprint.errors import InputError, name_some
from pawprint.files import OF_SYSTEMS, read_text
from pawprint.installation import line_of_requirement
from pawprint.package import ROOT
from pawprint.pipeline.lock import locked_versions
from pawprint.yaml_file import parse_mapping, read_mapping

README_TEXT = Path(__file__).with_name("README.md")
IGNORE = ".gitignore"
DVC_IGNORE = ".dvcignore"
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/*.jpg
/plots/report.html
__pycache__/
"""
IGNORED_BY_DVC = ("/.venv", *OF_SYSTEMS)
CONFIG = ".dvc/config"
EXTENSIONS = {"recommendations": ["lakeFS.lakefs-dvc"]}  # of Visual Studio Code
OUTS = ("outs", "metrics", "plots")  # keys of a stage in dvc.yaml
# Keys of outputs that affect neither the results nor which of them are kept.
SHOWN = {"desc", "template", "title", "x", "x_label", "y", "y_label"}


def template(name: str) -> str:
    """Return the text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def lies_outside(source: str) -> bool:
    """Return whether a path, such as the one of the images, leads out of the project."""
    return bool(Path(source).anchor) or ".." in Path(source).parts


def is_tracked(source: str) -> bool:
    """Return whether DVC tracks the images. Images elsewhere stay where they are."""
    return not lies_outside(source) and not source.endswith(paths.OF_URLS)


def file_of_images(source: str) -> list[str]:
    """Return the file in Git that identifies the images, or none for images outside.

    A file with a URL is in Git itself.
    """
    if is_tracked(source):
        return [f"{source}.dvc"]
    return [] if lies_outside(source) else [source]


def leaves_out(source: str, names: Iterable[str]) -> bool:
    """Return whether DVC may skip files in a folder because of a user's .dvcignore.

    `names` are the files, relative to the folder `source`.
    """
    if any(PurePosixPath(name).name == DVC_IGNORE for name in names):
        return True
    lines = read_text(Path(DVC_IGNORE)).splitlines() if Path(DVC_IGNORE).is_file() else []
    patterns = {line for line in lines if line.strip() and not line.startswith("#")}
    return not lies_outside(source) and not patterns <= {*IGNORED_BY_DVC}


def files(source: str) -> dict[str, str]:
    """Return the text of each file by its path.

    `params.yaml`, the user's tables, and CONFIG are not included. `source` is the source of the
    images, relative to the project.
    """
    plots = (path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json"))
    return {
        DVC_IGNORE: "".join(f"{name}\n" for name in IGNORED_BY_DVC),
        ".gitattributes": template(".gitattributes"),
        IGNORE: f"{IGNORED}/{source}\n" if is_tracked(source) else IGNORED,
        ".vscode/extensions.json": f"{json.dumps(EXTENSIONS, indent=2)}\n",
        "README.md": README_TEXT.read_text(encoding="utf-8"),
        "dvc.yaml": pipeline(),
        str(paths.REQUIREMENTS): requirements(),
        **{name: template(name) for name in sorted(plots)},
    }


@functools.cache  # the environment of this process does not change
def requirements() -> str:
    """Return the text of requirements.txt: this package, and the versions in use."""
    ours, of_dvc = ("".join(f"{line}\n" for line in lines) for lines in locked_versions())
    return (
        f"{line_of_requirement()}\n\n# Versions of the packages that Pawprint uses:\n{ours}\n"
        f"# DVC and the packages that it needs:\n{of_dvc}\n# Packages of your own:\n"
    )


def names_in_git(source: str) -> list[str]:
    """Return the paths of all files of a project that must be in Git.

    This includes files that a run writes. `source` is the source of the images, relative to the
    project.
    """
    outs = [out for stage in stages().values() for out in _outputs_of(stage).items()]
    results = [path for path, options in outs if not options.get("cache", True)]
    names = [*files(source), *results, CONFIG, ".dvc/.gitignore"]
    names += map(str, (paths.LABELS_CSV, paths.LOCK, paths.PARAMS, paths.SPLITS_CSV, paths.STATE))
    return names + file_of_images(source)


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
    add stages, and entries to each stage. A stage that runs the project's own script is not
    compared.
    """
    own = read_mapping(path).get("stages") or {}
    for name, stage in stages().items():
        missing = _parts_of(stage) - _parts_of(own.get(name) or {})
        if missing and not (path.parent / f"stages/{name}.py").is_file():
            raise InputError(
                f"{path}: stages.{name}: expected {name_some(sorted(missing))}, as in the "
                "package's stage. Add it, or run `pawprint init --renew`."
            )


def _parts_of(stage: dict) -> set[str]:
    """Return what decides when a stage runs, and which outputs are kept, as short texts."""
    parts = {f"always_changed: {stage['always_changed']}"} if "always_changed" in stage else set()
    for key in ("deps", "params"):
        parts |= {f"{key}: {entry}" for entry in stage.get(key) or ()}
    for path, options in _outputs_of(stage).items():
        kept = {name: value for name, value in options.items() if name not in SHOWN}
        parts.add(f"output: {path} {kept or ''}".rstrip())
    return parts


def _outputs_of(stage: dict) -> dict[str, dict]:
    """Return the options of each output of a stage in `dvc.yaml`, keyed by path."""
    outs = [out for key in OUTS for out in stage.get(key) or ()]
    return {
        path: options or {}
        for out in outs
        for path, options in (out.items() if isinstance(out, dict) else [(out, {})])
    }
