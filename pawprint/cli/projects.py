"""Commands that make and change a project: `init`, `upgrade`, `discard`, `recipes`, `app`."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import yaml

from pawprint.cli import align, require_committed
from pawprint.errors import InputError, printable
from pawprint.files import parse_yaml, read_yaml, write_text
from pawprint.package import DISTRIBUTION, PACKAGE, python_in
from pawprint.project import PARAMS
from pawprint.recipes.overlay import apply_recipe, overlay, read_recipe, recipe_names

# `app` and `recipes` read no images, so what imports that is imported where it is needed.


def add_init(parser: argparse.ArgumentParser) -> None:
    place = "a new or an empty folder, or a clone without a project"
    parser.add_argument("folder", type=Path, metavar="DIR", help=place)
    images = "folder, zip, tar, or YAML file with the URL of one"
    parser.add_argument("--images", type=Path, metavar="SOURCE", help=images)
    recipe = "params of a published notebook: `pawprint recipes` lists them"
    parser.add_argument("--recipe", choices=recipe_names(), metavar="NAME", help=recipe)
    outside = "leave the photos where they are, outside of the project"
    parser.add_argument("--outside", action="store_true", help=outside)
    reading = "the class is the first or the last folder above an image; asked for if they differ"
    parser.add_argument("--labels", choices=["outer", "inner"], default="auto", help=reading)


def run_init(arguments: argparse.Namespace) -> None:
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
    from pawprint.dataset.sources import empty_folders
    from pawprint.tools.projects import WITHOUT_CLASSES, create

    folder, images = arguments.folder, arguments.images
    if not images and not arguments.recipe:
        arguments.error("expected --images, or --recipe with images of its own")
    source, notes = create(folder, images, arguments.recipe, arguments.outside, arguments.labels)
    for note in notes:
        print(note)
    for empty in empty_folders(images) if images and images.is_dir() else ():
        print(f"{printable(str(empty))} has no files, so it is no class")
    if images and (folder / f"{source}.dvc").exists():
        change = "add and remove photos" if images.is_dir() else "put another one"
        print(f"{folder / source} is a copy of {images}: {change} there")
    commands = "pawprint app" if WITHOUT_CLASSES in notes else "pawprint try --use\ndvc repro"
    print(f"Next:\ncd {folder}\n{commands}")


def run_upgrade(arguments: argparse.Namespace) -> None:
    """Renew this project after an upgrade of the package; `git diff` shows what changed.

    The changes of the package are merged into your files. Where you changed the same lines, your
    file stays, and the new one is put beside it, as FILE.new. params.yaml keeps your values and
    comments, and gets new params with their defaults. Params that no longer exist go, and those
    that you had changed become comments. Nothing is committed.
    """
    from pawprint.tools.upgrade import upgrade

    for line in upgrade() or ["nothing to change"]:
        print(f"upgrade: {line}")


def add_discard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run_discard(arguments: argparse.Namespace) -> int:
    """Go back to the run of the last commit, and to its params.

    What the stages write, dvc.lock, params.yaml, dvc.yaml and requirements.txt become those of the
    last commit. What is lost is shown first: your changes as a diff, and the names of the files.
    Photos, the file with which DVC tracks them, labels.csv and splits.csv stay as they are. The
    exit status is 1 if the answer is no.
    """
    from pawprint.tools import last_commit
    from pawprint.tools.running import alone

    with alone():  # raises InputError during a run
        names = last_commit.to_discard()
    if names and not arguments.yes:
        if not sys.stdin.isatty():
            raise InputError(
                f"discard: expected an answer for {len(names)} files, from a terminal. Received: "
                "none. Add --yes."
            )
        print(last_commit.diff_of_inputs(), end="")
        print(f"These files become those of {last_commit.describe()}:")
        print("\n".join(f"  {printable(name)}" for name in names))
        print("So does what DVC keeps of the run. Photos, labels.csv and splits.csv stay.")
        if input("Discard the run and these changes? [y/N] ").strip().lower() not in ("y", "yes"):
            print("discard: nothing is changed")
            return 1
    last_commit.discard()
    print(f"discard: the run and the params are those of {last_commit.describe()}")
    return 0


def add_recipes(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action=list_recipes)
    commands = parser.add_subparsers(metavar="{show,use}")
    show = commands.add_parser("show", help="print a recipe")
    show.add_argument("name", choices=recipe_names(), metavar="NAME")
    show.set_defaults(action=lambda arguments: print(read_recipe(arguments.name), end=""))
    user = commands.add_parser("use", help="write a recipe into params.yaml")
    user.add_argument("name", choices=recipe_names(), metavar="NAME")
    user.set_defaults(action=use)


def run_recipes(arguments: argparse.Namespace) -> None:
    """List recipes, show one, or write it into params.yaml.

    `use` writes the values of `default` and then those of the recipe. Comments, order and other
    params are kept, as are images, classes and weights where the recipe's are not in this project.
    """
    arguments.action(arguments)


def list_recipes(arguments: argparse.Namespace) -> None:
    first_lines = (read_recipe(name).splitlines()[0].removeprefix("# ") for name in recipe_names())
    print(align(zip(recipe_names(), first_lines)))


def use(arguments: argparse.Namespace) -> None:
    """Write `params.yaml`. Raises InputError if it has uncommitted changes."""
    today = read_yaml(PARAMS)
    before = PARAMS.read_text(encoding="utf-8")
    after = apply_recipe(before, arguments.name)
    recipe, own = parse_yaml(after, str(PARAMS)), {}
    for section in ("fetch", "weights"):
        source = recipe[section]["source"]
        if source.startswith("pawprint/") and not Path(source).exists():  # only in the repository
            own[section] = today[section]
    if "fetch" in own:
        own["clean"] = {"labels": today["clean"]["labels"]}
    if own:
        after = overlay(after, yaml.safe_dump(own, default_flow_style=None))
    if after != before:
        require_committed()
    write_text(PARAMS, after)
    print(f"params.yaml: {arguments.name}. Now run `dvc repro`.")


def add_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8501, help="default: %(default)s")


def run_app(arguments: argparse.Namespace) -> int:
    """Open the web app: images, labels and results of this project in the browser."""
    if not importlib.util.find_spec("streamlit"):
        raise InputError(f"app: expected streamlit. Run `pip install '{DISTRIBUTION}[app]'`.")
    command = [*python_in(), "-m", "streamlit", "run", str(PACKAGE / "app/main.py")]
    command.append(f"--server.port={arguments.port}")
    if os.name == "posix":
        os.execv(command[0], command)  # so that a signal reaches the server
    return subprocess.call(command)
