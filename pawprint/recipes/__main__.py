"""List recipes, show the changes of one, or write it into params.yaml.

`use` writes the values of `default` and then those of the recipe. Comments, order and other params
are kept.
"""

import argparse
import json
import subprocess
from pathlib import Path

from pawprint.entry import run
from pawprint.errors import InputError
from pawprint.files import write_text
from pawprint.recipes.overlay import apply, names, read
from pawprint.yaml import parse_yaml, read_yaml

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def list_recipes() -> None:
    width = max(map(len, names()))
    for name in names():
        first_line = read(name).splitlines()[0]
        print(f"{name:<{width}}  {first_line.removeprefix('# ')}")


def read_params() -> str:
    """The text of `params.yaml`. Raises InputError if it is no YAML."""
    read_yaml(PARAMS)
    return PARAMS.read_text(encoding="utf-8")


def show(name: str) -> None:
    """Print the head comment of the recipe, and its changes to `params.yaml`."""
    for line in read(name).splitlines():
        if line.startswith("#"):
            print(line)
    text = read_params()
    before, after = parse_yaml(text, "params.yaml"), parse_yaml(apply(text, name), "params.yaml")
    print("\nIt changes in params.yaml:")
    for section in after:
        for key, value in after[section].items():
            if value != before[section][key]:
                print(f"  {section}.{key}: {_flow(before[section][key])} -> {_flow(value)}")
    if after == before:
        print("  nothing")


def use(name: str, force: bool) -> None:
    """Write `params.yaml`. Raises InputError if it has uncommitted changes, unless `force`."""
    before = read_params()
    after = apply(before, name)
    if after != before and not force:
        _require_committed()
    write_text(PARAMS, after)
    print(f"params.yaml: {name}. Now run `dvc repro`.")


def _require_committed() -> None:
    git = ["git", "status", "--porcelain", "--", PARAMS.name]
    try:
        status = subprocess.run(git, cwd=PARAMS.parent, capture_output=True, check=True).stdout
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


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pawprint.recipes", description="List, show and use recipes."
    )
    commands = parser.add_subparsers(dest="command", metavar="{list,show,use}")
    commands.add_parser("list", help="list all recipes (default)")
    commands.add_parser("show", help="show the changes of a recipe").add_argument("name")
    user = commands.add_parser("use", help="write a recipe into params.yaml")
    user.add_argument("name")
    user.add_argument("--force", action="store_true", help="overwrite uncommitted changes")
    arguments = parser.parse_args()
    if arguments.command == "show":
        show(arguments.name)
    elif arguments.command == "use":
        use(arguments.name, arguments.force)
    else:
        list_recipes()


if __name__ == "__main__":
    run(main)
