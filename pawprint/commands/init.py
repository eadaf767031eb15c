"""The command `init`."""

import argparse
from pathlib import Path

from pawprint.dataset.sources import describe_empty
from pawprint.projects.init import WITHOUT_CLASSES, create
from pawprint.projects.recipes import recipe_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    place = "a new or an empty folder, or a clone without a project"
    parser.add_argument("folder", type=Path, metavar="DIR", help=place)
    images = "folder, zip, tar, or YAML file with the URL of one"
    parser.add_argument("--images", type=Path, metavar="SOURCE", help=images)
    recipe = "params of a published notebook: `pawprint recipes` lists them"
    parser.add_argument("--recipe", choices=recipe_names(), metavar="NAME", help=recipe)
    outside = "photos that stay where they are, outside of the project"
    parser.add_argument("--outside", action="store_true", help=outside)
    reading = "first or last folder above an image as its class; asked for if they differ"
    parser.add_argument("--labels", choices=["outer", "inner"], default="auto", help=reading)


def run(arguments: argparse.Namespace) -> None:
    """Make a project for your photos: a folder with params.yaml and the pipeline, for Git and DVC.

    The photos are one folder per class, a folder with metadata.csv, a zip or tar of one, or a YAML
    file with the URL of one. Without classes, you give the photos labels in the app. DVC copies
    them into the project, so that `dvc pull` brings them to others: change them there from then on.
    The folder is new or empty, or a clone that holds no project: its history and its files stay,
    and nothing is overwritten.

    Examples:
      pawprint init hotdog --images ~/photos
      pawprint init cats --recipe default
    """
    folder = arguments.folder
    images = arguments.images
    if not images and not arguments.recipe:
        arguments.error("expected --images, or --recipe with images of its own")
    source, notes = create(folder, images, arguments.recipe, arguments.outside, arguments.labels)
    for note in notes:
        print(note)
    for line in describe_empty(images) if images and images.is_dir() else ():
        print(line)
    if images and (folder / f"{source}.dvc").exists():
        change = "add and remove photos" if images.is_dir() else "put another one"
        print(f"{folder / source} is a copy of {images}: {change} there")
    commands = "pawprint app" if WITHOUT_CLASSES in notes else "pawprint try --use\ndvc repro"
    print(f"Next:\ncd {folder}\n{commands}")
