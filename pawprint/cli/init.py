"""Make a project for your photos: a folder with params.yaml and the pipeline, for Git and DVC.

The photos are one folder per class, a folder with metadata.csv, a zip or tar of one, or a YAML file
with the URL of one. DVC copies them into the project, so that `dvc pull` brings them to others:
change them there from then on. Nothing is overwritten.

Examples:
  pawprint init hotdog --images ~/photos
  pawprint init cats --recipe default
"""

import argparse
from pathlib import Path

from pawprint.recipes.overlay import names
from pawprint.templates.projects import create


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or an empty folder")
    images = "folder, zip, tar, or YAML file with the URL of one"
    parser.add_argument("--images", type=Path, metavar="SOURCE", help=images)
    recipe = "params of a published notebook: `pawprint recipes` lists them"
    parser.add_argument("--recipe", choices=names(), metavar="NAME", help=recipe)
    outside = "leave the photos where they are, outside of the project"
    parser.add_argument("--outside", action="store_true", help=outside)


def run(arguments: argparse.Namespace) -> None:
    folder, images = arguments.folder, arguments.images
    if not images and not arguments.recipe:
        arguments.error("expected --images, or --recipe with images of its own")
    source = create(folder, images, arguments.recipe, arguments.outside)
    if images and (folder / f"{source}.dvc").exists():
        change = "add and remove photos" if images.is_dir() else "put another one"
        print(f"{folder / source} is a copy of {images}: {change} there")
    print(f"Next: `cd {folder}`, `dvc repro`; README.md there has the daily loop")
