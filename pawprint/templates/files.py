"""The text of each file that `pawprint init` writes, from those at the top of the repository."""

from collections.abc import Iterable
from pathlib import Path

from pawprint.dataset.sources import OF_SYSTEMS
from pawprint.errors import InputError
from pawprint.package import DISTRIBUTION, ROOT
from pawprint.requirement import read_line, requirement
from pawprint.yaml import parse_yaml, read_yaml

README = Path(__file__).with_name("README.md")
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/augmented.png
/plots/errors.png
/plots/likely_wrong_labels.png
/plots/near_duplicates.png
/plots/predictions.png
/plots/report.html
/plots/samples.png
__pycache__/
"""
CONFIG = ".dvc/config"
IGNORE = (".dvcignore", ".gitignore")


def template(name: str) -> str:
    """The text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def files(source: str) -> dict[str, str]:
    """The text of each file by its path, without `params.yaml`, the tables of the user, and CONFIG.

    `source` is that of the images, relative to the project.
    """
    is_outside = Path(source).is_absolute() or ".." in Path(source).parts
    is_tracked = not is_outside and not source.endswith((".yaml", ".yml"))  # by DVC
    plots = (path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json"))
    ignored = IGNORED + f"/{source}\n" * is_tracked
    return {
        ".dvcignore": "".join(f"{name}\n" for name in ("/.venv", *OF_SYSTEMS)),
        ".gitattributes": template(".gitattributes"),
        ".gitignore": ignored,
        "README.md": README.read_text(encoding="utf-8"),
        "dvc.yaml": pipeline(is_outside),
        "requirements.txt": requirements(),
        **{name: template(name) for name in sorted(plots)},
    }


def pipeline(is_outside: bool) -> str:
    """`dvc.yaml`, whose stages are those of the installed package.

    `code` runs always: no dependency says that the package has changed. Where the source lies
    outside of the project, a failed `dvc repro` keeps the images that were fetched from it.
    """
    text = template("dvc.yaml").replace("python -m stages.", "python -m pawprint.stages.")
    text = text.replace(
        "    deps: [params.yaml, pawprint, requirements.txt, stages]\n",
        "    deps: [params.yaml, requirements.txt]\n    always_changed: true\n",
    )
    if is_outside:
        text = text.replace("[data/raw/archives]", "[data/raw/archives: {persist: true}]")
    return text


def require_complete(path: Path) -> None:
    """Raise InputError if a stage of the package lacks deps or params of its own `dvc.yaml`.

    DVC would not run the stage after a change of them: as after an upgrade, where the user has
    changed `dvc.yaml` and it is kept.
    """
    given = read_yaml(path)["stages"]
    for name, stage in parse_yaml(pipeline(False), "template")["stages"].items():
        own = given.get(name, {})
        if own.get("cmd") != stage["cmd"]:
            continue
        for key in ("deps", "params"):
            if missing := [each for each in stage.get(key, []) if each not in own.get(key, [])]:
                raise InputError(
                    f"{path}: stages.{name}.{key}: expected {missing[0]}, which the package's "
                    f"stage reads. Received: none of it. Add it, or take all of {path}.new."
                )


def requirements(given: str = "") -> str:
    """The exact versions of all packages, and the line of this one.

    What another requirements.txt has beside these comes last: its lines for other packages,
    options and comments. Its extras of this package are kept.
    """
    lines = {line: read_line(line) for line in given.splitlines() if line.strip()}
    earlier = [named for named in lines.values() if named and named.name == DISTRIBUTION]
    text = f"{template('requirements.txt')}{requirement(*earlier[:1])}\n"
    known = {named.name for line in text.splitlines() if (named := read_line(line))}
    others = (line for line, named in lines.items() if not (named and named.name in known))
    return with_lines(text, others)


def with_lines(text: str, lines: Iterable[str]) -> str:
    """The text with those of the lines at its end that it lacks."""
    known = text.splitlines()
    return text + "".join(f"{line}\n" for line in lines if line not in known)
