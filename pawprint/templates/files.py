"""The text of each file that `pawprint init` writes, from those at the top of the repository."""

import re
from pathlib import Path

from packaging.utils import canonicalize_name

from pawprint.dataset import corrections, kept_splits
from pawprint.package import DISTRIBUTION, ROOT
from pawprint.requirement import requirement

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
# Written once: what is in them is the user's.
TABLES = {
    "labels.csv": f"{','.join(corrections.COLUMNS)}\n",
    "splits.csv": f"{','.join(kept_splits.COLUMNS)}\n",
}
CONFIG = ".dvc/config"


def template(name: str) -> str:
    """The text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def files(source: str) -> dict[str, str]:
    """The text of each file by its path, without `params.yaml`, TABLES and CONFIG.

    `source` is that of the images, relative to the project.
    """
    is_outside = Path(source).is_absolute() or ".." in Path(source).parts
    is_tracked = not is_outside and not source.endswith((".yaml", ".yml"))  # by DVC
    plots = (path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json"))
    ignored = IGNORED + f"/{source}\n" * is_tracked
    return {
        ".dvcignore": "/.venv\n",
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


def requirements(others: str = "") -> str:
    """The exact versions of all packages, and the line of this one.

    Lines for other packages, and options, from the text of another requirements.txt come last. Its
    extras of this package are kept.
    """
    extras = re.search(rf"^{DISTRIBUTION}(\[.*?\])", others, re.MULTILINE)
    ours = requirement().replace(DISTRIBUTION, DISTRIBUTION + (extras[1] if extras else ""), 1)
    text = f"{template('requirements.txt')}{ours}\n"
    known = {_name(line) for line in text.splitlines()}
    return text + "".join(f"{line}\n" for line in others.splitlines() if _name(line) not in known)


def _name(line: str) -> str:
    """The distribution that a line of a requirements.txt names, or else the line; "" for none."""
    line = line.partition("#")[0].strip()
    if found := re.match(r"[A-Za-z0-9._-]+(?=\s*(?:[\[=@;<>!~]|$))", line):
        return canonicalize_name(found[0])
    return DISTRIBUTION if line.startswith(("-e", "--editable")) else line
