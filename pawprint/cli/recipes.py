"""List recipes, show the changes of one, or write it into params.yaml.

`use` writes the values of `default` and then those of the recipe. Comments, order and other params
are kept, as are the images and classes where the recipe's are not in this project.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import yaml

from pawprint.errors import InputError
from pawprint.files import write_text
from pawprint.package import PACKAGE
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


def adapted(text: str, name: str) -> str:
    """`params.yaml` with a recipe, whose files are those of the package where this is no clone.

    Images and classes stay as they are then; weights are in the project's folder.
    """
    after = apply(text, name)
    given, recipe = (parse_yaml(each, str(PARAMS)) for each in (text, after))
    kept = {}
    if is_packaged(recipe["fetch"]["source"]):
        kept |= {"fetch": given["fetch"], "clean": {"labels": given["clean"]["labels"]}}
    if is_packaged(recipe["weights"]["source"]):
        kept |= {"weights": {"source": Path(recipe["weights"]["source"]).name}}
    return overlay(after, yaml.safe_dump(kept, default_flow_style=None)) if kept else after


def is_packaged(source: str) -> bool:
    return source.startswith("pawprint/") and not Path(source).exists()


def show(arguments: argparse.Namespace) -> None:
    """Print the head comment of the recipe, and its changes to `params.yaml`."""
    for line in read(arguments.name).splitlines():
        if line.startswith("#"):
            print(line)
    text = read_params()
    before, after = (
        parse_yaml(each, str(PARAMS)) for each in (text, adapted(text, arguments.name))
    )
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
    after = adapted(before, arguments.name)
    if after != before and not arguments.force:
        _require_committed()
    weights = apply(before, arguments.name), after
    given, here = (Path(parse_yaml(each, str(PARAMS))["weights"]["source"]) for each in weights)
    if given != here and not here.exists():
        shutil.copy(PACKAGE.parent / given, here)
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
