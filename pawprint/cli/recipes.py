"""List recipes, show one, or write it into params.yaml.

`use` writes the values of `default` and then those of the recipe. Comments, order and other params
are kept, as are images, classes and weights where the recipe's are not in this project.
"""

import argparse
import subprocess
from pathlib import Path

import yaml

from pawprint.errors import InputError
from pawprint.files import write_text
from pawprint.project import PARAMS
from pawprint.recipes.overlay import apply, names, overlay, read
from pawprint.yaml import parse_yaml, read_yaml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=list_recipes)
    commands = parser.add_subparsers(metavar="{show,use}")
    shown = commands.add_parser("show", help="print a recipe")
    shown.add_argument("name", choices=names(), metavar="NAME")
    shown.set_defaults(action=show)
    user = commands.add_parser("use", help="write a recipe into params.yaml")
    user.add_argument("name", choices=names(), metavar="NAME")
    user.add_argument("--force", action="store_true", help="overwrite uncommitted changes")
    user.set_defaults(action=use)


def run(arguments: argparse.Namespace) -> None:
    arguments.action(arguments)


def list_recipes(arguments: argparse.Namespace) -> None:
    width = max(map(len, names()))
    for name in names():
        first_line = read(name).splitlines()[0]
        print(f"{name:<{width}}  {first_line.removeprefix('# ')}")


def show(arguments: argparse.Namespace) -> None:
    print(read(arguments.name), end="")


def use(arguments: argparse.Namespace) -> None:
    """Write `params.yaml`. Raises InputError if it has uncommitted changes, unless `--force`."""
    given = read_yaml(PARAMS)
    before = PARAMS.read_text(encoding="utf-8")
    after = apply(before, arguments.name)
    recipe, kept = parse_yaml(after, str(PARAMS)), {}
    for section in ("fetch", "weights"):
        source = recipe[section]["source"]
        if source.startswith("pawprint/") and not Path(source).exists():  # only in the repository
            kept[section] = given[section]
    if "fetch" in kept:
        kept["clean"] = {"labels": given["clean"]["labels"]}
    if kept:
        after = overlay(after, yaml.safe_dump(kept, default_flow_style=None))
    if after != before and not arguments.force:
        _require_committed()
    write_text(PARAMS, after)
    print(f"params.yaml: {arguments.name}. Now run `dvc repro`.")


def _require_committed() -> None:
    git = ["git", "status", "--porcelain", "--", PARAMS.name]
    try:
        status = subprocess.run(git, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        status = "unknown"
    if status:
        raise InputError(
            "params.yaml: expected a file without uncommitted changes, which would be lost. "
            "Commit it, or use --force."
        )
