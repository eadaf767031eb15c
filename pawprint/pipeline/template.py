"""The stages of a project, as `pawprint init` writes them, and what a project's own must have."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pawprint.base.errors import InputError, name_some
from pawprint.base.files import OF_SYSTEMS, read_text
from pawprint.base.package import ROOT
from pawprint.base.yaml_file import parse_mapping, read_mapping

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
