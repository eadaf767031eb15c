"""The `recipes` command, which lists recipes, shows one, or writes it into params.yaml."""

import argparse
from pathlib import Path

import yaml

from pawprint.base.files import read_text, write_text
from pawprint.base.git import require_committed
from pawprint.base.paths import PARAMS
from pawprint.base.yaml_file import parse_mapping
from pawprint.commands import align
from pawprint.commands.params_file import apply_recipe, overlay, read_recipe, recipe_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands `show` and `use`. Without a subcommand, recipes are listed."""
    commands = parser.add_subparsers(dest="action", metavar="{show,use}")
    actions = {"show": "print a recipe", "use": "write a recipe into params.yaml"}
    for action, summary in actions.items():
        each = commands.add_parser(action, help=summary)
        each.add_argument("name", choices=recipe_names(), metavar="NAME", help="name of a recipe")


def run(arguments: argparse.Namespace) -> None:
    """List recipes, show one, or write it to params.yaml.

    `use` writes the values of `cats-and-dogs`, then the given recipe's. Comments, line order and
    all other params are kept. The current images, classes and weights are also kept if the recipe's
    are not available in this project.

    Examples:
      pawprint recipes
      pawprint recipes show three-classes
      pawprint recipes use three-classes
    """
    if arguments.action == "show":
        print(read_recipe(arguments.name), end="")
    elif arguments.action == "use":
        use_recipe(Path(), arguments.name)
        print(f"params.yaml: wrote recipe {arguments.name}. Now run `dvc repro`.")
    else:
        lines = [read_recipe(name).splitlines()[0].removeprefix("# ") for name in recipe_names()]
        print(align(zip(recipe_names(), lines)))


def use_recipe(folder: Path, name: str) -> None:
    """Write a recipe's values to a project's params.yaml.

    Images, classes and weights are not changed if the project lacks the recipe's own. Raises
    InputError if the file would change but has uncommitted changes.
    """
    before = read_text(folder / PARAMS)
    today = parse_mapping(before, str(PARAMS))
    after = apply_recipe(before, name)
    recipe = parse_mapping(after, str(PARAMS))
    own = {}
    for section in ("fetch", "weights"):
        source = recipe[section]["source"]
        if source.startswith("pawprint/") and not (folder / source).exists():
            own[section] = today[section]  # only the repository has the recipe's own
    if "fetch" in own:
        own["clean"] = {"labels": today["clean"]["labels"]}
    if own:
        after = overlay(after, yaml.safe_dump(own, default_flow_style=None))
    if after != before:
        require_committed(folder, [PARAMS])
    write_text(folder / PARAMS, after)
