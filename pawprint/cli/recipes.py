"""List recipes, show the changes of one, or write it into params.yaml.

`use` writes the values of `default` and then those of the recipe. Comments, order and other params
are kept, as are the images and classes where the recipe's are not in this project.
"""

import argparse
import json
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
    commands = parser.add_subparsers(metavar="{list,show,use}")
    listed = commands.add_parser("list", help="list all recipes (default)")
    listed.set_defaults(action=list_recipes)
    shown = commands.add_parser("show", help="show the changes of a recipe")
    shown.add_argument("name")
    shown.set_defaults(action=show)
    user = commands.add_parser("use", help="write a recipe into params.yaml")
    user.add_argument("name")
    user.add_argument("--force", action="store_true", help="overwrite uncommitted changes")
    user.set_defaults(action=use)


def run(arguments: argparse.Namespace) -> None:
    arguments.action(arguments)


def list_recipes(arguments: argparse.Namespace) -> None:
    width = max(map(len, names()))
    for name in names():
        first_line = read(name).splitlines()[0]
        print(f"{name:<{width}}  {first_line.removeprefix('# ')}")


def read_params() -> str:
    """The text of `params.yaml`. Raises InputError if it is no YAML."""
    read_yaml(PARAMS)
    return PARAMS.read_text(encoding="utf-8")


def show(arguments: argparse.Namespace) -> None:
    """Print the head comment of the recipe, and its changes to `params.yaml`."""
    for line in read(arguments.name).splitlines():
        if line.startswith("#"):
            print(line)
    text = read_params()
    before, after = (parse_yaml(each, str(PARAMS)) for each in (text, apply(text, arguments.name)))
    print("\nIt changes in params.yaml:")
    for section in after:
        for key, value in after[section].items():
            if value != before[section][key]:
                print(f"  {section}.{key}: {_flow(before[section][key])} -> {_flow(value)}")
    if after == before:
        print("  nothing")


def use(arguments: argparse.Namespace) -> None:
    """Write `params.yaml`. Raises InputError if it has uncommitted changes, unless `--force`."""
    before = read_params()
    after = apply(before, arguments.name)
    if not Path(parse_yaml(after, str(PARAMS))["fetch"]["source"]).exists():
        given = parse_yaml(before, str(PARAMS))
        kept = {"fetch": given["fetch"], "clean": {"labels": given["clean"]["labels"]}}
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


def _flow(value: object) -> str:
    """A value on one line of YAML."""
    return value if isinstance(value, str) else json.dumps(value)
