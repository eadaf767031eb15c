"""The command line: `pawprint COMMAND`."""

import argparse
import getpass
import importlib
import inspect
import os
import sys
from pathlib import Path

from pawprint.base.errors import InputError
from pawprint.base.package import installed_version
from pawprint.base.paths import LOCK, PARAMS
from pawprint.pipeline.entry import CONVERTER, run, without_modules

# A summary of each command. See `module_of` for its module.
COMMANDS = {
    "init": "create a project from your photos, or renew one after an upgrade",
    "crop": "cut the boxes of a detector out of photos, for init",
    "app": "open the web app",
    "recipes": "list recipes, print one, or write one to params.yaml",
    "try": "compare networks and image sizes on your training images",
    "predict": "label photos with the served model",
    "score": "evaluate the served model on labelled photos",
    "export": "write the model as one HTML page, LiteRT, ONNX or Keras",
    "compare": "test whether a run is better than another; gate pull requests",
    "discard": "restore the last commit's run and params",
    "check": "fail if results are out of date",
    "keep-splits": "write the current splits to splits.csv, so that images keep their split",
    "docs": "print a page of the documentation",
}


LOOP = """Train an image classifier on your own photos, and find out how good it is.

The loop:
  pawprint init NAME --images FOLDER   create a project; then `cd NAME`
  dvc repro                            train and evaluate; plots/report.html has the results
  pawprint try --use                   choose another network on your training images (optional)
  pawprint compare HEAD                is this run better than the last commit's?
  pawprint predict PHOTO               label new photos

DVC runs the training: after you change photos, labels or params, `dvc repro` runs only the
stages that the change affects."""

# All other commands also run in a folder of photos.
IN_PROJECT = COMMANDS.keys() - {"crop", "docs", "init", "predict", "recipes", "score"}


def main() -> int | None:
    """Run the requested command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="pawprint",
        description=LOOP,
        epilog="Run `pawprint COMMAND --help` for help on a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    current_version = installed_version() or "not installed"
    parser.add_argument("--version", action="version", version=current_version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if sys.argv[1:2] == [name]:  # import only this command, because TensorFlow takes seconds
            with without_modules(CONVERTER):
                module = importlib.import_module(module_of(name))
            command.description = inspect.getdoc(module.run)
            module.add_arguments(command)
            command.set_defaults(run=module.run, error=command.error)
    arguments = parser.parse_args(sys.argv[1:] or ["--help"])
    require_project(arguments)
    name_user(arguments.command)
    return arguments.run(arguments)


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    name = "try_" if command == "try" else command.replace("-", "_")
    return f"pawprint.commands.{name}"


def require_project(arguments: argparse.Namespace) -> None:
    """Raise InputError in a subfolder of a project, or outside a project if one is needed."""
    folder = Path.cwd()
    if arguments.command == "init" or getattr(arguments, "model", None) or _is_project(folder):
        return
    if project := next(filter(_is_project, folder.parents), None):
        raise InputError(
            f"{arguments.command}: the current folder is inside a project. Run this in the "
            f"project's folder: `cd {project}`."
        )
    if arguments.command in IN_PROJECT:
        raise InputError(
            f"{arguments.command}: {folder} is not a project, because it has no params.yaml. "
            "Change to a project, or create one with `pawprint init`."
        )


def name_user(command: str) -> None:
    """Name a user without a name, as in a container, after the user's number, for DVC."""
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):  # depends on the system and the version of Python
        name = os.environ["USER"] = str(getattr(os, "getuid", int)())
        if command == "init":
            print(f"this user has no name, which DVC needs: first run `export USER={name}`")


def _is_project(folder: Path) -> bool:
    return any((folder / name).exists() for name in (PARAMS, LOCK))


def script() -> None:
    """Run the `pawprint` command of an installed package."""
    run(main)


if __name__ == "__main__":
    script()
