"""The `recipes` command, which lists recipes, shows one, or writes it into params.yaml."""

import argparse
from pathlib import Path

from pawprint.base.errors import name_some
from pawprint.base.files import read_text, write_text
from pawprint.base.git import require_committed
from pawprint.base.paths import PARAMS
from pawprint.commands import align
from pawprint.commands.params_file import flat, read_recipe, recipe_names, recipe_values, set_values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands `show` and `use`. Without a subcommand, recipes are listed."""
    commands = parser.add_subparsers(dest="action", metavar="{show,use}")
    actions = {"show": "print a recipe", "use": "write a recipe into params.yaml"}
    for action, summary in actions.items():
        each = commands.add_parser(action, help=summary)
        each.add_argument("name", choices=recipe_names(), metavar="NAME", help="name of a recipe")
    each.add_argument("--data", action="store_true", help="also write fetch, clean and split")


def run(arguments: argparse.Namespace) -> None:
    """List recipes, show one, or write it to params.yaml.

    `use` writes the values of `cats-and-dogs`, then the given recipe's. Comments, line order and
    all other params are kept. The sections `fetch`, `clean` and `split`, which describe your images
    and decide the test set, are kept too, unless you add --data. So are images, classes and weights
    if the recipe's are not available in this project.

    Examples:
      pawprint recipes
      pawprint recipes show three-classes
      pawprint recipes use filtered-160
      pawprint recipes use three-classes --data
    """
    if arguments.action == "show":
        print(read_recipe(arguments.name), end="")
    elif arguments.action == "use":
        kept = use_recipe(Path(), arguments.name, arguments.data)
        if kept:
            todo = "--data also writes fetch, clean and split, if the recipe's files are here"
            print(f"params.yaml: kept your {name_some(kept)}; {todo}")
        print(f"params.yaml: wrote recipe {arguments.name}. Now run `dvc repro`.")
    else:
        lines = [read_recipe(name).splitlines()[0].removeprefix("# ") for name in recipe_names()]
        print(align(zip(recipe_names(), lines)))


DATA = ("fetch.", "clean.", "split.")  # what describes images, and not how they are learned


def use_recipe(folder: Path, name: str, with_data: bool = False) -> list[str]:
    """Write a recipe's values to a project's params.yaml. Return its own params that differ.

    Those of DATA are only changed `with_data`, and images, classes and weights only if the project
    has the recipe's own. Raises InputError if the file would change but has uncommitted changes.
    """
    before = read_text(folder / PARAMS)
    values = recipe_values(name)
    kept: tuple[str, ...] = () if with_data else DATA
    for section, of_section in (("fetch", ("fetch.", "clean.labels")), ("weights", ("weights.",))):
        source = str(values[f"{section}.source"])
        if source.startswith("pawprint/") and not (folder / source).exists():
            kept += of_section  # only the repository has the recipe's own
    after = set_values(before, {key: values[key] for key in values if not key.startswith(kept)})
    if after != before:
        require_committed(folder, [PARAMS])
    write_text(folder / PARAMS, after)
    now = flat(after)
    return [key for key, value in flat(read_recipe(name)).items() if now.get(key) != value]
