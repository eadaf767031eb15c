"""The `recipes` command, which lists recipes, shows one, or writes it into params.yaml."""

import argparse
from pathlib import Path

from pawprint.base.files import read_text, write_text
from pawprint.base.git import require_committed
from pawprint.base.paths import PARAMS
from pawprint.commands import align
from pawprint.commands.params_file import read_recipe, recipe_names, recipe_values, set_values


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
    values = recipe_values(name)
    for section, kept in (("fetch", ("fetch.", "clean.labels")), ("weights", ("weights.",))):
        source = str(values[f"{section}.source"])
        if source.startswith("pawprint/") and not (folder / source).exists():
            # Only the repository has the recipe's own.
            values = {key: value for key, value in values.items() if not key.startswith(kept)}
    after = set_values(before, values)
    if after != before:
        require_committed(folder, [PARAMS])
    write_text(folder / PARAMS, after)
