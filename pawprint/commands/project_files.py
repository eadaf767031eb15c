"""The texts of the files that `pawprint init` writes into a project.

Most are at the top of the repository. `requirements.txt` also has a line for this package, and the
versions of the packages that it uses.
"""

import functools
import json

from pawprint.base import paths
from pawprint.base.package import PACKAGE, ROOT, line_of_requirement
from pawprint.pipeline.lock import locked_versions
from pawprint.pipeline.template import (
    DVC_IGNORE,
    IGNORED_BY_DVC,
    lies_outside,
    outputs_of,
    pipeline,
    stages,
    template,
)

README_TEXT = PACKAGE / "commands/templates/README.md"
IGNORE = ".gitignore"
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/*.jpg
/plots/report.html
__pycache__/
"""
CONFIG = ".dvc/config"
EXTENSIONS = {"recommendations": ["lakeFS.lakefs-dvc"]}  # of Visual Studio Code


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
    outs = [out for stage in stages().values() for out in outputs_of(stage).items()]
    results = [path for path, options in outs if not options.get("cache", True)]
    names = [*files(source), *results, CONFIG, ".dvc/.gitignore"]
    names += map(str, (paths.LABELS_CSV, paths.LOCK, paths.PARAMS, paths.SPLITS_CSV, paths.STATE))
    return names + file_of_images(source)
