"""The `recipes` command, which lists recipes, shows one, or writes it into params.yaml."""

import argparse
from pathlib import Path

from pawprint.commands import align
from pawprint.projects.recipes import read_recipe, recipe_names, use_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands `show` and `use`. Without a subcommand, recipes are listed."""
    parser.set_defaults(action=list_recipes)
    commands = parser.add_subparsers(metavar="{show,use}")
    show = commands.add_parser("show", help="print a recipe")
    show.add_argument("name", choices=recipe_names(), metavar="NAME", help="name of a recipe")
    show.set_defaults(action=show_recipe)
    user = commands.add_parser("use", help="write a recipe into params.yaml")
    user.add_argument("name", choices=recipe_names(), metavar="NAME", help="name of a recipe")
    user.set_defaults(action=use)


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
    arguments.action(arguments)


def list_recipes(arguments: argparse.Namespace) -> None:
    """Print the name of each recipe and its first line."""
    first_lines = (read_recipe(name).splitlines()[0].removeprefix("# ") for name in recipe_names())
    print(align(zip(recipe_names(), first_lines)))


def show_recipe(arguments: argparse.Namespace) -> None:
    """Print a recipe."""
    print(read_recipe(arguments.name), end="")


def use(arguments: argparse.Namespace) -> None:
    """Write `params.yaml`. Raises InputError if it has uncommitted changes."""
    use_recipe(Path(), arguments.name)
    print(f"params.yaml: wrote recipe {arguments.name}. Now run `dvc repro`.")
