"""The `init` command."""

import argparse
from pathlib import Path

from pawprint.commands.forms import Asked
from pawprint.commands.init_project import WITHOUT_CLASSES, create
from pawprint.commands.renew import renew
from pawprint.commands.use_recipe import recipe_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    place = "create the project in this folder, which is new or empty; it may have a .git"
    parser.add_argument("folder", type=Path, metavar="DIR", nargs="?", help=place)
    images = "use these photos: a folder, zip or tar, or a YAML file with the URL of an archive"
    parser.add_argument("--images", type=Path, metavar="SOURCE", help=images)
    recipe = "use the params of this recipe; see `pawprint recipes`"
    parser.add_argument("--recipe", choices=recipe_names(), metavar="NAME", help=recipe)
    table = "use the labels in this table: CSV or TSV"
    parser.add_argument("--table", type=Path, metavar="FILE", help=table)
    label = "use this column of the table as the label"
    parser.add_argument("--label", default="", metavar="COLUMN", help=label)
    reading = "if folders are nested, use the outermost or the innermost folder as the class"
    parser.add_argument("--labels", choices=["outer", "inner"], default="auto", help=reading)
    renewing = "renew the files of an existing project after an upgrade of the package"
    parser.add_argument("--renew", action="store_true", help=renewing)


def run(arguments: argparse.Namespace) -> None:
    """Create a project from your photos: a folder with params.yaml and a pipeline, for Git and DVC.

    Sort the photos into one folder per class, or add a metadata.csv or another table of labels. The
    photos can be in a folder, zip or tar, or in an archive whose URL is in a YAML file. If they
    have no classes, you can label them in the app. DVC copies the photos into the project, so that
    others get them with `dvc pull`. From then on, add and remove photos in the project.

    After `pip install -U`, --renew writes the new dvc.yaml, with your own stages, commands and
    scripts; adds new params with their defaults; and updates the package's line of
    requirements.txt. It changes no value of a param, and commits nothing.

    Examples:
      pawprint init food --images ~/photos
      pawprint init --renew
      pawprint init dogs --images ~/kaggle --table ~/kaggle/train.csv --label breed
      pawprint init cats --recipe cats-and-dogs
    """
    folder = arguments.folder
    images = arguments.images
    if arguments.renew:
        notes, changes = renew(folder or Path())
        print("\n".join([*notes, changes.rstrip() or "nothing to change"]))
        return
    if not folder or not (images or arguments.recipe):
        arguments.error("expected DIR, and --images or a --recipe that includes images")
    asked = Asked(arguments.table, arguments.label)
    notes = create(folder, images, arguments.recipe, arguments.labels, asked)
    commands = "pawprint app" if WITHOUT_CLASSES in notes else "dvc repro"
    print("\n".join([*notes, "Next:", f"cd {folder}", commands]))
