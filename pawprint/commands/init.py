"""The `init` command."""

import argparse
import re
import shutil
from pathlib import Path, PurePosixPath

import numpy as np

from pawprint.base.errors import InputError
from pawprint.base.files import copy_file, read_text, reading, write_json, write_text, writing
from pawprint.base.package import DVC_IGNORE, PACKAGE, installed_version, template
from pawprint.base.paths import OF_URLS, PARAMS, REQUIREMENTS, STATE
from pawprint.base.yaml_file import parse_mapping
from pawprint.commands import forms
from pawprint.commands.forms import Asked
from pawprint.commands.given import Given, open_given
from pawprint.commands.params_file import set_values
from pawprint.commands.project_files import (
    CONFIG,
    IGNORE,
    building,
    files,
    names_in_git,
    override_rules,
    renew,
    require_room,
)
from pawprint.commands.recipes import NEW, new_params, recipe_names
from pawprint.data.folders import AUTO, describe_class_counts, describe_names, find_layout
from pawprint.data.metadata_csv import parse_metadata_csv
from pawprint.data.names import describe_unsafe
from pawprint.data.sources import describe_empty
from pawprint.data.unusual import MAX_LEFT_OUT, left_out
from pawprint.data.user_tables import EMPTY_TABLES
from pawprint.pipeline.dvc import make_project, track


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
        if images or arguments.recipe or arguments.table or arguments.label:
            arguments.error("argument --renew: expected DIR alone")
        notes, changes = renew(folder or Path())
        print("\n".join([*notes, changes.rstrip() or "nothing to change"]))
        return
    if not folder or not (images or arguments.recipe):
        arguments.error("expected DIR, and --images or a --recipe that includes images")
    asked = Asked(arguments.table, arguments.label)
    notes = create(folder, images, arguments.recipe, arguments.labels, asked)
    commands = "pawprint app" if WITHOUT_CLASSES in notes else "dvc repro"
    print("\n".join([*notes, "Next:", f"cd {folder}", commands]))


# If the photos' folder is a repository, DVC would track nothing there, or refuse to.
OF_REPOSITORIES = (".dvc", DVC_IGNORE, ".git")
WITHOUT_CLASSES = "No folder is a class: label the photos in the app or in a metadata.csv"
SQUARE = 0.01  # fraction outside the central square, up to which images count as square


def create(
    folder: Path,
    images: Path | None,
    recipe: str | None = None,
    labels: str = AUTO,
    asked: forms.Asked = forms.NOTHING,
) -> list[str]:
    """Create a project with Git and DVC in a new or empty folder.

    Returns lines about the classes of the images (if they are known before `fetch`), on the choice
    of `model.resize`, on empty folders, on the copy of the images, on the rules that `.gitignore`
    overrides, and on what others lack to install the package. `labels` is AUTO, or the way to read
    folders for `clean.labels`. `asked` names a table or the column with the labels, for images in
    another form.

    The images are copied into the project and tracked with DVC. A YAML file with their URL is
    tracked with Git. Without `images`, the recipe determines them. Raises InputError, and leaves
    the folder unchanged, if images are missing or the folder is not empty.
    """
    params, path = _params_and_images(images, recipe, labels)
    if folder.resolve().is_relative_to(path.resolve()):
        raise InputError(
            f"cannot create the project in {folder}: it is inside the folder of images, {path}. "
            "Choose a folder elsewhere."
        )
    require_room(folder)
    with reading(), open_given(path) as given:
        form, notes = _find_classes(given, asked, parse_mapping(params, "")["clean"]["labels"])
        if not recipe and given.sizes:
            params, choice = _choose_resize(params, left_out(*np.array(given.sizes).T))
            notes += choice
    source = _source_of(given.path, form)
    with building(folder) as place:
        rules = _write_project(folder, place, params, given, source)
        if given.path.suffix not in OF_URLS:
            _copy(given, form, place / source)
            track(place, source)
            notes += _describe_copy(given, folder / source) if images else []
    notes += [f".gitignore overrides this rule: {rule}" for rule in rules]
    if read_text(folder / REQUIREMENTS).startswith("#"):
        notes.append(
            f"Before you share the project, replace the first line of {REQUIREMENTS}: others "
            "cannot install Pawprint from this computer"
        )
    return notes


def _params_and_images(images: Path | None, recipe: str | None, labels: str) -> tuple[str, Path]:
    """Return the text of params.yaml, and the images, which a recipe may include.

    Raises InputError if it does not.
    """
    params = new_params(recipe or NEW)
    if images or labels != AUTO:
        params = set_values(params, {"clean.labels": labels})
    source = parse_mapping(params, PARAMS.name)["fetch"]["source"]
    if not images and not source.startswith("pawprint/"):
        raise InputError(
            f"cannot use the recipe {recipe} alone: it does not include images. Add yours with "
            "--images."
        )
    return params, images or PACKAGE.parent / source


def _find_classes(
    given: Given, asked: forms.Asked, labels: dict[str, list[str]] | str
) -> tuple[forms.Form | None, list[str]]:
    """Return the form of images that `clean` does not read by itself, and lines about the classes.

    `labels` is `clean.labels`.
    """
    form = forms.find_form(given.path, given.files, asked, labels)
    if form:
        return form, forms.describe_form(given.path, form)
    return None, describe_classes(given, labels)


def describe_classes(given: Given, labels: dict[str, list[str]] | str) -> list[str]:
    """Return lines about the classes in a folder or archive, or none for a URL.

    `labels` is `clean.labels`. Raises InputError for the same reasons as `find_layout`.
    """
    images, names = given.path, given.names
    if images.suffix in OF_URLS:
        return []
    if problem := describe_unsafe(names):
        raise InputError(f"{images}: {problem}")
    rows = parse_metadata_csv(str(images), names, given.read)
    layout = find_layout(names, rows, labels, str(images))
    counts = describe_class_counts(layout.count_labels())
    notes = [counts, given.encoding, *describe_names(layout.places)]
    notes += [] if layout.classes else [WITHOUT_CLASSES]
    if rows is None and (unread := forms.describe_label_files(names)):
        if not layout.classes and labels == AUTO:
            raise InputError(
                f"{images}: no photo has a label, although there are files that may hold labels: "
                f"{unread}. Name a table with --table, or write a metadata.csv as in "
                "docs/images.md; or add --labels outer and label the photos in the app."
            )
        notes.append(f"files that may hold labels are not read: {unread}")
    return [note for note in notes if note]


def _choose_resize(params: str, out: float) -> tuple[str, list[str]]:
    """Return the params with a `model.resize` for images of which a square leaves out this part.

    Also returns the reason.
    """
    if out < SQUARE:
        return params, []
    cut = f"the middle square leaves out {out:.0%} of a typical image"
    if out > MAX_LEFT_OUT:
        line = f"model.resize is stretch: {cut}, which `crop` would lose; no action is needed"
        return set_values(params, {"model.resize": "stretch"}), [line]
    advice = "This is normal for photos: only change it if the edges matter"
    return params, [f"model.resize is crop: {cut}. {advice}"]


def _write_project(folder: Path, place: Path, params: str, given: Given, source: str) -> list[str]:
    """Write a project without its images to `place`, which becomes `folder`.

    `source` is its `fetch.source`. Returns the rules of Git that it overrides.
    """
    changes = {"fetch.source": source}
    copied = [given.path] if given.path.suffix in OF_URLS else []
    weights = PACKAGE.parent / parse_mapping(params, PARAMS.name)["weights"]["source"]
    if weights.is_file():  # the weights are installed by the package
        copied.append(weights)
        changes["weights.source"] = weights.name
    for path in copied:
        shutil.copy(path, place)
    texts = files(source)
    write_text(
        place / IGNORE, texts.pop(IGNORE)
    )  # written first, because DVC refuses ignored files
    in_git = [*names_in_git(source), *(path.name for path in copied)]
    rules = override_rules(folder, place, in_git)
    make_project(place)
    texts |= {CONFIG: template(CONFIG), PARAMS.name: set_values(params, changes)}
    for name, text in (texts | EMPTY_TABLES).items():
        write_text(place / name, text)
    write_json(place / STATE, {"version": installed_version()})
    return rules


def _source_of(images: Path, form: forms.Form | None) -> str:
    """Return the `fetch.source` of images."""
    if images.suffix in OF_URLS:
        return images.name
    is_archive = images.is_file() and not form
    return f"photos{''.join(images.suffixes[-2:])}" if is_archive else "photos"


def _copy(given: Given, form: forms.Form | None, target: Path) -> None:
    """Copy a file, or a folder including the targets of its links, so that the user can write it.

    `dvc add --out` would also copy, but takes 1.7 times as long for many small files. Raises
    InputError for the first file that cannot be read or written.
    """
    if form:
        forms.write_form(form, given.path, target)
        return
    for name, path in given.files.items():
        if not set(OF_REPOSITORIES).isdisjoint(PurePosixPath(name).parts):
            continue
        if path.exists() and not path.is_file():  # copying a pipe would never end
            raise InputError(f"cannot copy {path}: it is not a regular file. Move it elsewhere.")
        copy = target / name if given.path.is_dir() else target
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy_file(path, copy)


def _describe_copy(given: Given, copy: Path) -> list[str]:
    """Return lines about a .dvcignore and empty folders in the images, and about their copy."""
    images, rules = given.path, given.files.get(DVC_IGNORE)
    has_rules = rules and re.search(r"^\s*[^\s#]", read_text(rules), re.MULTILINE)
    lines = [f"{rules} is not applied, so files that it lists are copied, too"] if has_rules else []
    lines += describe_empty(images) if images.is_dir() else []
    change = "add and remove photos" if images.is_dir() else "put a new one"
    return [*lines, f"{copy} is a copy of {images}: {change} there"]
