"""The `recipes` command, which lists recipes, shows one, or writes it into params.yaml."""

import argparse
from pathlib import Path

from pawprint.commands import align
from pawprint.commands.use_recipe import read_recipe, recipe_names, use_recipe


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
