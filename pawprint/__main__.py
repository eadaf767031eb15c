"""The command line: `pawprint COMMAND`."""

import argparse
import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pawprint.entry import run
from pawprint.errors import InputError
from pawprint.package import DISTRIBUTION
from pawprint.project import LOCK, PARAMS

COMMANDS = {
    "init": "make a project for your photos",
    "upgrade": "renew this project after an upgrade of the package",
    "app": "open the web app",
    "recipes": "list recipes, print one, or write one into params.yaml",
    "predict": "label photos with the served model",
    "score": "score the served model on labelled photos, beside the test split",
    "monitor": "test whether photos without labels are like those of the test split",
    "suggest": "rank images without a label by how much a label would help",
    "export": "write the model as LiteRT, ONNX or SavedModel",
    "compare": "test whether two runs differ, image by image",
    "data": "`data diff`: list the images that changed between two commits",
    "check": "fail if the committed results are not those of this code and these params",
    "keep-splits": "write the splits of the last result into splits.csv, so that they stay",
    "verify": "find damaged files in DVC's cache and in the workspace",
    "gate": "fail if the workspace is significantly worse than a commit",
}


# The others also run in a folder of photos.
IN_PROJECT = COMMANDS.keys() - {"init", "predict", "recipes", "score", "suggest"}


def main() -> int | None:
    parser = argparse.ArgumentParser(
        prog="pawprint",
        description="Tools beside the DVC pipeline.",
        epilog="`pawprint COMMAND --help` describes a command.",
    )
    try:
        shown = version(DISTRIBUTION)
    except PackageNotFoundError:  # a clone
        shown = "not installed"
    parser.add_argument("--version", action="version", version=shown)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if sys.argv[1:2] == [name]:  # the others are not imported: TensorFlow takes seconds
            module = importlib.import_module(f"pawprint.cli.{name.replace('-', '_')}")
            command.description = module.__doc__
            module.add_arguments(command)
            command.set_defaults(run=module.run, error=command.error)
    arguments = parser.parse_args()
    require_project(arguments)
    return arguments.run(arguments)


def require_project(arguments: argparse.Namespace) -> None:
    """Raise InputError in a folder inside of a project, and outside of one where one is needed."""
    folder = Path.cwd()
    if arguments.command == "init" or getattr(arguments, "model", None) or _is_project(folder):
        return
    if above := next(filter(_is_project, folder.parents), None):
        raise InputError(
            f"{arguments.command}: expected the folder of a project. Received: a folder inside of "
            f"one. Run `cd {above}`."
        )
    if arguments.command in IN_PROJECT:
        raise InputError(
            f"{arguments.command}: expected the folder of a project, with params.yaml. Received: "
            f"{folder}. Change to one, or make one with `pawprint init`."
        )


def _is_project(folder: Path) -> bool:
    return any((folder / name).exists() for name in (PARAMS, LOCK))


def script() -> None:
    """The command `pawprint` of an installed package."""
    run(main)


if __name__ == "__main__":
    script()
