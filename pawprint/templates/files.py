"""The text of each file that `pawprint init` writes, from those at the top of the repository.

`requirements.txt` has a line for this package, by the place it was installed from.
"""

import json
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath

from pawprint.errors import InputError, without_secrets
from pawprint.files import OF_SYSTEMS, parse_yaml, read_text, read_yaml
from pawprint.package import DISTRIBUTION, ROOT
from pawprint.project import LABELS_CSV, LOCK, PARAMS, SPLITS_CSV, STATE

README = Path(__file__).with_name("README.md")
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/augmented.png
/plots/errors.png
/plots/labels_to_review.png
/plots/near_duplicates.png
/plots/predictions.png
/plots/report.html
/plots/samples.png
__pycache__/
"""
DVC_IGNORE = Path(".dvcignore")
IGNORED_BY_DVC = ("/.venv", *OF_SYSTEMS)
CONFIG = ".dvc/config"
OUTS = ("outs", "metrics", "plots")  # keys of a stage


def template(name: str) -> str:
    """The text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def lies_outside(source: str) -> bool:
    """Return whether images lie outside of the project."""
    return Path(source).is_absolute() or ".." in Path(source).parts


def is_tracked(source: str) -> bool:
    """Return whether DVC tracks the images, as those of another source stay where they are."""
    return not lies_outside(source) and not source.endswith((".yaml", ".yml"))


def leaves_out(source: str, names: Iterable[str]) -> bool:
    """Return whether DVC may leave out files of a folder, by a .dvcignore that a person wrote.

    `names` are those of the files, relative to the folder `source`.
    """
    if any(PurePosixPath(name).name == DVC_IGNORE.name for name in names):
        return True
    lines = read_text(DVC_IGNORE).splitlines() if DVC_IGNORE.is_file() else []
    patterns = {line for line in lines if line.strip() and not line.startswith("#")}
    return not lies_outside(source) and not patterns <= {*IGNORED_BY_DVC}


def files(source: str) -> dict[str, str]:
    """The text of each file by its path, without `params.yaml`, the tables of the user, and CONFIG.

    `source` is that of the images, relative to the project.
    """
    plots = (path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json"))
    ignored = IGNORED + (f"/{source}\n" if is_tracked(source) else "")
    return {
        str(DVC_IGNORE): "".join(f"{name}\n" for name in IGNORED_BY_DVC),
        ".gitattributes": template(".gitattributes"),
        ".gitignore": ignored,
        "README.md": README.read_text(encoding="utf-8"),
        "dvc.yaml": pipeline(lies_outside(source)),
        "requirements.txt": f"{requirement()}\n\n# Packages of your own:\n",
        **{name: template(name) for name in sorted(plots)},
    }


def names_in_git(source: str) -> list[str]:
    """Return the paths of all files of a project that have to be in Git, also of those that a run
    writes.

    `source` is that of the images, relative to the project.
    """
    stages = parse_yaml(pipeline(False), "template")["stages"].values()
    outs = [out for stage in stages for key in OUTS for out in stage.get(key, ())]
    outs = [out for out in outs if isinstance(out, dict)]
    results = [path for out in outs for path, of in out.items() if not of.get("cache", True)]
    names = [*files(source), *results, CONFIG, ".dvc/.gitignore"]
    names += map(str, (LABELS_CSV, LOCK, PARAMS, SPLITS_CSV, STATE))
    if is_tracked(source):
        names.append(f"{source}.dvc")
    elif not lies_outside(source):
        names.append(source)
    return names


def pipeline(is_outside: bool) -> str:
    """`dvc.yaml`, whose stages are those of the installed package.

    With `-P`, Python imports nothing from the project, such as a `copy.py` of the user's. `code`
    runs always: no dependency says that the package has changed. Where the source lies outside of
    the project, a failed `dvc repro` keeps the images that were fetched from it.
    """
    text = template("dvc.yaml").replace("python -m stages.", "python -P -m pawprint.stages.")
    text = text.replace(
        "    deps: [labels.csv, params.yaml, pawprint, requirements.txt, splits.csv, stages]\n",
        "    deps: [labels.csv, params.yaml, requirements.txt, splits.csv]\n"
        "    always_changed: true\n",
    )
    if is_outside:
        text = text.replace("[data/raw/archives]", "[data/raw/archives: {persist: true}]")
    return text


def require_stages(path: Path) -> None:
    """Raise InputError if a `dvc.yaml` lacks something of the package's own stages.

    DVC would keep results that are out of date: as after an upgrade, where a conflict with the
    user's `dvc.yaml` was left. A project may add stages, and to each stage commands and entries. A
    stage whose script is the project's own is not compared.
    """
    stages = (read_yaml(path) or {}).get("stages") or {}
    for name, stage in parse_yaml(pipeline(False), "template")["stages"].items():
        own = stages.get(name) or {}
        if (path.parent / f"stages/{name}.py").is_file():
            continue
        for key, value in (stage | {"frozen": False}).items():
            for entry in value if isinstance(value, list) else [value]:
                if key not in SHOWN and not _holds(own.get(key, False), entry):
                    wanted = entry if isinstance(entry, str) else json.dumps(entry)
                    raise InputError(
                        f"{path}: stages.{name}.{key}: expected {wanted}, as the package's stage "
                        "has it. Received: something else. Correct it. After an upgrade of the "
                        f"package, run `pawprint upgrade`; if there is {path}.new, take all of it."
                    )


# Keys of a stage and of a plot that decide neither what is computed nor what is kept.
SHOWN = {"desc", "template", "title", "x", "x_label", "y", "y_label"}


def _holds(own: object, expected: object) -> bool:
    """Whether this YAML is the expected one, perhaps with more keys, entries or commands."""
    match own, expected:
        case dict(), dict():
            kept = expected.keys() - SHOWN
            return all(key in own and _holds(own[key], expected[key]) for key in kept)
        case list(), _:
            return any(_holds(entry, expected) for entry in own)
        case dict(), str():  # an output with options
            return expected in own
        case str(), str() if " " in expected:  # a command, perhaps with `nice` before it
            return expected in own
    return own == expected


def requirement() -> str:
    """Such as `pawprint-dvc @ git+https://host/pawprint@COMMIT`: where the package comes from.

    By what pip has recorded (PEP 610). Raises InputError if the package is not installed, as where
    a clone of it runs without.
    """
    for distribution in distributions(name=DISTRIBUTION):
        if not distribution.read_text("INSTALLER"):  # what a build left in the current folder
            continue
        origin = json.loads(distribution.read_text("direct_url.json") or "null")
        if origin is None:  # an index of packages
            return f"{DISTRIBUTION}=={distribution.version}"
        url = origin["url"]
        if git := origin.get("vcs_info"):
            url = f"{git['vcs']}+{url}@{git['commit_id']}"
        elif without_secrets(url) != url:  # a token is for whoever installs it
            url = url.partition("?")[0]
        if url.startswith("git+file:"):  # pip below 24.1 needs this form
            return f"{url}#egg={DISTRIBUTION}"
        sha256 = origin.get("archive_info", {}).get("hashes", {}).get("sha256")
        return f"{DISTRIBUTION} @ {url}" + (f"#sha256={sha256}" if sha256 else "")
    raise InputError(
        f"{DISTRIBUTION}: expected the package to be installed. Received: a folder of it. Run "
        "`pip install` with that folder."
    )


# Params of earlier versions, and what to set instead.
REPLACED = {
    "calibrate.test_time_augmentation": "augment.RandomFlip, which decides it",
    "calibrate.views": "augment.RandomFlip, which decides it",
    "model.fine_tune_last": "model.fine_tune_at (-24 for 24, the number of layers for 0)",
    "plot.likely_wrong_labels": "plot.labels_to_review",
}


def flat(text: str) -> dict[str, object]:
    """The value of each param by its name, such as `model.alpha`.

    Raises InputError if the text is no YAML, or not made of sections.
    """
    content = parse_yaml(text, str(PARAMS))
    if not isinstance(content, dict) or not all(
        isinstance(section, dict) for section in content.values()
    ):
        raise InputError(f"{PARAMS}: expected sections with params. Received: something else.")
    return {f"{name}.{key}": value for name, keys in content.items() for key, value in keys.items()}
