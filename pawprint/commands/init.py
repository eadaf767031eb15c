"""The `init` command."""

import argparse
import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import OF_SYSTEMS, copy_file, read_text, reading, write_text, writing
from pawprint.base.git import git, ignored, work_tree
from pawprint.base.labels import NEITHER, NOT_KNOWN, SEPARATOR, SEVERAL_LABELS
from pawprint.base.package import DVC_IGNORE, PACKAGE
from pawprint.base.paths import OF_URLS, PARAMS, REQUIREMENTS, STATE
from pawprint.base.yaml_file import parse_mapping
from pawprint.commands.params_file import DEFAULT_RECIPE, default_params, recipe_names, set_values
from pawprint.commands.project_files import IGNORE, files, names_in_git, renew, write_state
from pawprint.data.sources import describe_empty
from pawprint.data.unusual import MAX_LEFT_OUT, left_out
from pawprint.given.folders import AUTO, Layout, describe_class_counts, describe_names, find_layout
from pawprint.given.given_images import Given, open_given
from pawprint.given.label_choice import NOTHING, with_table
from pawprint.given.label_readings import OF_BLANKS, OF_ZEROS, Asked
from pawprint.given.label_tables import TOGETHER, label_files
from pawprint.given.metadata_csv import FILE_NAME, parse_metadata_csv
from pawprint.given.names import is_image_name
from pawprint.given.user_tables import EMPTY_TABLES
from pawprint.pipeline.dvc import make_project, track


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    place = "create the project in this folder, which is new or empty; it may have a .git"
    parser.add_argument("folder", type=Path, metavar="DIR", nargs="?", help=place)
    images = "use these photos: a folder, zip or tar, or a YAML file with the URL of an archive"
    parser.add_argument("--images", type=Path, metavar="SOURCE", help=images)
    recipe = "use the params of this recipe; see `pawprint recipes`"
    parser.add_argument("--recipe", choices=recipe_names(), metavar="NAME", help=recipe)
    table = "use the labels in this CSV or TSV; repeat for several; none uses the folders"
    parser.add_argument("--table", type=Path, action="append", metavar="FILE", help=table)
    label = "use this column of the table as the label; repeat for several columns of 0 and 1"
    parser.add_argument("--label", action="append", metavar="COLUMN", help=label)
    separator = "split the cells of this column at SEP, or not if it is empty"
    parser.add_argument("--separator", metavar="SEP", help=separator)
    zeros = "photos with a 0 in all columns of labels show none of them, or are still unlabelled"
    parser.add_argument("--zeros", choices=OF_ZEROS, help=zeros)
    blanks = "blank cells and -1 in columns of 0 and 1: not known, 0, or the photo is unlabelled"
    parser.add_argument("--blanks", choices=OF_BLANKS, help=blanks)
    reading = "if folders are nested, use the outermost or the innermost folder as the class"
    parser.add_argument("--labels", choices=["outer", "inner"], default="auto", help=reading)
    renewing = "renew the files of an existing project after an upgrade of the package"
    parser.add_argument("--renew", action="store_true", help=renewing)


def run(arguments: argparse.Namespace) -> None:
    """Create a project from your photos: a folder with params.yaml and a pipeline, for Git and DVC.

    Sort the photos into one folder per class, or add a metadata.csv or another table of labels. The
    photos can be in a folder, zip or tar, or in an archive whose URL is in a YAML file. If they
    have no classes, you can label them in the app. DVC copies the photos into the project, so that
    others get them with `dvc pull`, and unpacks a zip or tar. From then on, add and remove photos
    in the project.

    After `pip install -U`, --renew writes the new dvc.yaml, with your own stages, commands and
    scripts; adds new params with their defaults; and updates the package's line of
    requirements.txt. It changes no value of a param, and commits nothing. If it cannot carry over
    something else in your dvc.yaml, it names it and changes nothing.

    Examples:
      pawprint init food --images ~/photos
      pawprint init --renew
      pawprint init dogs --images ~/dog-breeds.zip --table train.csv --label breed
      pawprint init cats --recipe cats-and-dogs
    """
    folder = arguments.folder
    images = arguments.images
    asked = asked_of(arguments)
    if arguments.renew:
        if images or arguments.recipe or asked != NOTHING:
            arguments.error("argument --renew: expected DIR alone")
        notes, changes = renew(folder or Path())
        print("\n".join([*notes, changes.rstrip() or "nothing to change"]))
        return
    if not folder or not (images or arguments.recipe):
        arguments.error("expected DIR, and --images or a --recipe that includes images")
    notes = create(folder, images, arguments.recipe, arguments.labels, asked)
    commands = "pawprint app" if WITHOUT_CLASSES in notes else "dvc repro"
    print("\n".join([*notes, "Next:", f"cd {folder}", commands]))


def asked_of(arguments: argparse.Namespace) -> Asked:
    """Return what the options ask for of tables."""
    options = (arguments.separator, arguments.zeros, arguments.blanks)
    return Asked(tuple(arguments.table or ()), tuple(arguments.label or ()), *options)


# If the photos' folder is a repository, DVC would track nothing there, or refuse to.
OF_REPOSITORIES = (".dvc", DVC_IGNORE, ".git")
WITHOUT_CLASSES = "No folder is a class: label the photos in the app or in a metadata.csv"
OF_UNREAD = "If a column of one names the photos, add --table FILE --label COLUMN"
OF_PATIENT = re.compile(rf"(?:^|/)(({'|'.join(TOGETHER)})[ _-]*\d[^/]*)/", re.IGNORECASE)
SQUARE = 0.01  # fraction outside the central square, up to which images count as square
PARTIAL = ".init.part"
# What may be in the folder of a new project.
NEUTRAL = {*OF_SYSTEMS, ".git", ".idea", ".venv", ".vscode", PARTIAL}


def create(
    folder: Path,
    images: Path | None,
    recipe: str | None = None,
    labels: str = AUTO,
    asked: Asked = NOTHING,
) -> list[str]:
    """Create a project with Git and DVC in a new or empty folder.

    Returns lines about the classes of the images (if they are known before `fetch`), on the choice
    of `model.resize`, on empty folders, on the copy of the images, and on what others lack to
    install the package. `labels` is AUTO, or the way to read folders for `clean.labels`. `asked`
    names a table or the column with the labels, for images in another form.

    The images are copied into the project and tracked with DVC. A YAML file with their URL is
    tracked with Git. Without `images`, the recipe determines them. Raises InputError, and leaves
    the folder unchanged, if images are missing, or if the folder is not empty or Git ignores files
    in it.
    """
    params = default_params(recipe or DEFAULT_RECIPE)
    if images or labels != AUTO:
        params = set_values(params, {"clean.labels": labels})
    path = images or _images_of(params, recipe)
    if folder.resolve().is_relative_to(path.resolve()):
        raise InputError(
            f"cannot create the project in {folder}: it is inside the folder of images, {path}. "
            "Choose a folder elsewhere."
        )
    require_room(folder)
    is_url = path.suffix in OF_URLS
    source = path.name if is_url else "photos"
    with building(folder) as place:
        with contextlib.ExitStack() as stack:
            with reading():
                given = stack.enter_context(open_given(path, place))
                reading_of_folders = parse_mapping(params, "")["clean"]["labels"]
                given, notes = find_classes(given, reading_of_folders, asked)
            notes += _offer_above(path.resolve()) if WITHOUT_CLASSES in notes else []
            if not is_url:
                _copy(given, place / source, copy_file if given.path == path else Path.rename)
        params = set_values(params, {"clean.several_labels": not given.kind.exclusive})
        if not recipe and given.sizes:
            params, choice = _choose_resize(params, left_out(*np.array(given.sizes).T))
            notes += choice
        _write_project(folder, place, params, path, source)
        if not is_url:
            track(place, source)
            notes += _describe_copy(path, folder / source) if images else []
    if read_text(folder / REQUIREMENTS).startswith("#"):
        notes.append(
            f"Before you share the project, replace the first line of {REQUIREMENTS}: others "
            "cannot install Pawprint from this computer"
        )
    return notes


def _images_of(params: str, recipe: str | None) -> Path:
    """Return the images that a recipe includes. Raises InputError if it does not."""
    source = parse_mapping(params, PARAMS.name)["fetch"]["source"]
    if not source.startswith("pawprint/"):
        raise InputError(
            f"cannot use the recipe {recipe} alone: it does not include images. Add yours with "
            "--images."
        )
    return PACKAGE.parent / source


def find_classes(
    given: Given, labels: dict[str, list[str]] | str, asked: Asked = NOTHING
) -> tuple[Given, list[str]]:
    """Return the images, as `with_table` does, and lines about their classes, none for a URL.

    `labels` is `clean.labels`. Raises InputError for the same reasons as `with_table` and
    `find_layout`.
    """
    given = with_table(given, asked, labels)
    if given.path.suffix in OF_URLS:
        return given, []
    where = f"{given.path}{given.table and f': {given.table}'}"
    rows = parse_metadata_csv(where, given.names, given.read)
    if rows and not given.table and any(SEPARATOR in row.label for row in rows.values()):
        given = given._replace(kind=SEVERAL_LABELS)
    unread = label_files(given) if rows is None else []
    try:
        layout = find_layout(given.names, rows, labels, where, given.kind)
    except InputError as error:
        advice = f"Labels may be in {name_some(unread)}. {OF_UNREAD}."
        raise (InputError(f"{error}\n{advice}") if unread else error) from None
    counts = layout.count_labels()
    splits = Counter(place.split for place in layout.places.values() if place.split)
    notes = [f"found {printable(given.table)}"] if given.table else []
    notes.append(describe_class_counts(counts, given.kind))
    if given.table and splits:
        notes.append(f"splits: {', '.join(f'{name} ({splits[name]:,})' for name in splits)}")
    notes += [] if given.kind.exclusive else [describe_several(layout)]
    notes += [*given.notes, *_describe_patients(layout.places), *describe_names(layout.places)]
    notes += [] if layout.classes else [WITHOUT_CLASSES]
    if unread:
        if not layout.classes and labels == AUTO:
            raise InputError(
                f"{given.path}: no photo has a label, although there are files that may hold "
                f"labels: {name_some(unread)}. {OF_UNREAD}; otherwise write a metadata.csv as in "
                "`pawprint docs images`, or add --labels outer and label the photos in the app."
            )
        notes.append(f"files that may hold labels are not read: {name_some(unread)}")
    return given, notes


def _offer_above(folder: Path) -> list[str]:
    """Return a line about the folder above, if folders beside this one contain images, too."""
    beside = folder.parent.glob("[!.]*/*") if folder.is_dir() else ()
    names = printable(folder.name), printable(str(folder.parent))
    line = "If {} is one of several classes, use the folder above: --images {}".format(*names)
    is_beside = any(is_image_name(file.name) and file.parent != folder for file in beside)
    return [line] if is_beside else []


def _describe_patients(names: Iterable[str]) -> list[str]:
    """Return a line if folders such as patient01 hold several photos each."""
    found = [match.groups() for name in names if (match := OF_PATIENT.search(name))]
    if len({*found}) in (0, 1, len(found)):
        return []
    folder, word = found[0]
    line = f"to keep the photos of each folder such as {printable(folder)} in one split, "
    return [f"{line}set split.group: '({word}[^/]*)/'"]


def describe_several(layout: Layout) -> str:
    """Return a line about images that can show several labels."""
    cells = [place.label for place in layout.places.values() if place.label]
    none = cells.count(NEITHER)
    several = sum(len(SEVERAL_LABELS.labels_in(cell)) > 1 for cell in cells)
    found = f"{several:,} of {len(cells):,} photos show several labels, and {none:,} show none"
    number = sum([*SEVERAL_LABELS.states_in(cell).values()].count(-1) for cell in cells)
    if number:
        found += (
            f"; {counted(number, 'label')} not known of a photo, such as sea in `sea{NOT_KNOWN}`"
        )
    return f"{found}: clean.several_labels is true"


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


def _write_project(folder: Path, place: Path, params: str, images: Path, source: str) -> None:
    """Write a project without its images to `place`, which becomes `folder`.

    `source` is its `fetch.source`.
    """
    changes = {"fetch.source": source}
    copied = [images] if images.suffix in OF_URLS else []
    weights = PACKAGE.parent / parse_mapping(params, PARAMS.name)["weights"]["source"]
    if weights.is_file():  # the weights are installed by the package
        copied.append(weights)
        changes["weights.source"] = weights.name
    for path in copied:
        shutil.copy(path, place)
    texts = files(source)
    # This file is written first, because DVC refuses ignored files.
    write_text(place / IGNORE, texts.pop(IGNORE))
    in_git = [*names_in_git(source), *(path.name for path in copied)]
    require_seen(folder if work_tree(folder) else place, in_git)
    make_project(place)
    texts[PARAMS.name] = set_values(params, changes)
    for name, text in (texts | EMPTY_TABLES).items():
        write_text(place / name, text)
    write_state(place)


def require_room(folder: Path) -> None:
    """Raise InputError unless a folder is new, or empty but for NEUTRAL."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder. Received: a file. Nothing is overwritten.")
    if (folder / STATE).is_file():
        raise InputError(
            f"{folder} is already a project. Continue in this folder, or choose another folder."
        )
    if found := {path.name for path in folder.iterdir()} - NEUTRAL:
        raise InputError(
            f"{folder}: expected a new or an empty folder. Received: {name_some(sorted(found))}. "
            "Choose another folder, such as a new one in this folder. Nothing is overwritten."
        )


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Provide a temporary folder with a Git repository, whose entries move to `folder` at the end.

    `folder` and its parents are made. If it lies in a repository, that one is used in the end. A
    user's own entry, such as `.vscode`, is kept. If the block fails, `folder` is as it was; file
    system errors are converted to InputError.
    """
    place = folder / PARTIAL
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)  # of a killed process
        place.mkdir()
        git("init", "--quiet", folder=place)
        yield place
        if work_tree(folder):
            shutil.rmtree(place / ".git")
        for path in place.iterdir():
            if not os.path.lexists(folder / path.name):
                path.rename(folder / path.name)
    except InputError as error:
        raise InputError(str(error).replace(str(place), str(folder))) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"{folder}: cannot create a project: {error.strerror or error}{where}."
        message = message.replace(str(place), str(folder))
        raise InputError(f"{message} Check permissions and free space.") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):  # the folder has a project
                folder.rmdir()


def require_seen(folder: Path, names: Iterable[str]) -> None:
    """Raise InputError, with the rules, if Git ignores files with these names in a folder."""
    if rules := dict.fromkeys(ignored(folder, names).values()):
        raise InputError(
            f"{folder}: expected a folder in which Git ignores no file of the project. Received: "
            f"{name_some(map(printable, rules))}. Change the rules, or choose another folder."
        )


def _copy(given: Given, target: Path, put: Callable[[Path, Path], object]) -> None:
    """Copy a folder including the targets of its links, so that the user can write it.

    `put` copies or moves a file. `dvc add --out` would also copy, but takes 1.7 times as long for
    many small files. Raises InputError for the first file that cannot be read or written.
    """
    for name, path in given.files.items():
        if not set(OF_REPOSITORIES).isdisjoint(PurePosixPath(name).parts):
            continue
        if path.exists() and not path.is_file():  # copying a pipe would never end
            raise InputError(f"cannot copy {path}: it is not a regular file. Move it elsewhere.")
        copy = target / name
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            put(path, copy)
    if given.table:
        write_text(target / FILE_NAME, given.read(FILE_NAME).decode())


def _describe_copy(images: Path, copy: Path) -> list[str]:
    """Return lines about a .dvcignore and empty folders in the images, and about their copy."""
    rules = images / DVC_IGNORE
    lines = describe_empty(images)
    if rules.is_file() and re.search(r"^\s*[^\s#]", read_text(rules), re.MULTILINE):
        lines.insert(0, f"{rules} is not applied, so files that it lists are copied, too")
    return [*lines, f"{copy} is a copy of {images}: add and remove photos there"]
