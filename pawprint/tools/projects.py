"""Projects for images of a user: making one, and renewing it after an upgrade of the package."""

import contextlib
import functools
import logging
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import numpy as np
from dvc.repo import Repo
from PIL import Image

from pawprint.dataset.folders import AUTO, describe_counts
from pawprint.dataset.layouts import (
    count_labels,
    describe_names,
    find_places,
    is_metadata,
    parse_metadata_csv,
    read_metadata_csv,
)
from pawprint.dataset.sources import folder_files, is_tar, require_utf8, tar_files
from pawprint.dataset.user_tables import EMPTY_TABLES
from pawprint.errors import InputError, name_some, printable, reason
from pawprint.files import NO_ROOM, parse_yaml, read_text, walk, write_json, write_text
from pawprint.git import git, work_tree
from pawprint.images.archive import BROKEN, describe_encoding, members, open_archive, what_is
from pawprint.images.decoder import FORMATS, MAX_LEFT_OUT, left_out
from pawprint.images.names import is_image_name
from pawprint.package import DISTRIBUTION, PACKAGE
from pawprint.params.section import check_content
from pawprint.params.whole import Params
from pawprint.pointers import MAX_BYTES, pointer, pointer_at
from pawprint.project import PARAMS, STATE
from pawprint.recipes.overlay import apply_recipe, set_values
from pawprint.templates.files import (
    CONFIG,
    files,
    flat,
    names_in_git,
    template,
)
from pawprint.tools.folders import IGNORE, require_free, restored_after_failure, take_back, with_own

# Width and size are the best on thirteen sets of images (docs/backbones.md); fine-tuning from a
# solved head helps on too few of ten (docs/decisions/28).
MODEL = {"model.alpha": 1.0, "model.image_size": 224, "model.fine_tune_at": None}
# Of a repository that photos are in: with them, DVC would track nothing of it here, or refuse.
DVC_IGNORE = ".dvcignore"
OF_REPOSITORIES = (".dvc", DVC_IGNORE, ".git")
WITHOUT_CLASSES = "No folder is a class: give the photos labels in the app, or in a metadata.csv"
MAX_READ = 2000  # images, evenly chosen, of which `left_out_of` reads the header


def create(
    folder: Path,
    images: Path | None,
    recipe: str | None,
    is_outside: bool,
    labels: str = AUTO,
) -> tuple[str, list[str]]:
    """Make a project with Git and DVC in a new or empty folder, or a clone without a project.

    Returns its `fetch.source`, and lines: which classes the images have, if that can be known
    before `fetch`, what `.gitignore` takes back, and which `model.resize` was chosen and why.
    `labels` is AUTO or the reading of folders for `clean.labels`.

    The images are copied into the project, for DVC, if they are not to stay outside; a YAML file
    with their URL for Git. Without `images`, they are those of the recipe. Raises InputError, with
    the folder as it was, if there are no images or the folder holds what is in the way.
    """
    params = template(PARAMS.name)
    if recipe:
        params = apply_recipe(params, recipe)
    if images or labels != AUTO:
        params = set_values(params, {"clean.labels": labels})
    values = flat(params)
    if not images and not values["fetch.source"].startswith("pawprint/"):
        raise InputError(f"{recipe}: expected --images, as this recipe has none of its own.")
    images = images or PACKAGE.parent / values["fetch.source"]
    _require_apart(folder, images, is_outside)
    is_url = images.suffix in (".yaml", ".yml")
    if not (images.is_dir() or is_url):
        _require_archive(images)
    notes = describe_classes(images, flat(params)["clean.labels"])
    copied = {images: images.name} if is_url else {}
    source = f"photos{''.join(images.suffixes[-2:]) if images.is_file() else ''}"
    if is_url:
        source = images.name
    elif is_outside:
        source = _path_from(folder, images)
    weights = PACKAGE.parent / values["weights.source"]
    if weights.is_file():  # of the package
        copied[weights] = weights.name
        params = set_values(params, {"weights.source": weights.name})
    params = set_values(params, {"fetch.source": source} | ({} if recipe else MODEL))
    out = None if recipe else left_out_of(images)
    if out is not None:
        params = _with_resize(params, out)
    texts = files(source)
    in_git = [*names_in_git(source), *copied.values()]
    require_free(folder, [*in_git, *([] if is_outside else [source])])
    with restored_after_failure(folder):
        texts = with_own(folder, texts)
        if work_tree(folder) is None:
            git("init", "--quiet", folder=folder)
        write_text(folder / IGNORE, texts[IGNORE])  # first, as DVC refuses what it names
        if rules := take_back(folder, in_git):
            texts[IGNORE] = read_text(folder / IGNORE)
            notes += [f".gitignore takes back what this rule leaves out: {rule}" for rule in rules]
        _start_dvc(folder)
        written = texts | EMPTY_TABLES | {CONFIG: template(CONFIG), PARAMS.name: params}
        for name, text in written.items():
            write_text(folder / name, text)
        for path, name in copied.items():
            shutil.copy(path, folder / name)
        write_state(folder, {name: text for name, text in files(source).items() if name in texts})
        if not is_url and not is_outside:
            notes += _bring(images, folder, source)
    if out is not None:
        how, part = flat(params)["model.resize"], f"{out:.0%} of the median image"
        notes.append(f"model.resize is {how}: the middle square of `crop` would leave out {part}")
    return source, notes


def _bring(images: Path, folder: Path, source: str) -> list[str]:
    """Copy images into a project, for DVC. Returns a line about a .dvcignore that is left out."""
    _copy(images, folder / source)
    with reasons_of_dvc(folder), Repo(str(folder)) as repo:
        repo.add(str(folder / source))
    path = images / DVC_IGNORE
    has_rules = path.is_file() and re.search(r"^\s*[^\s#]", read_text(path), re.MULTILINE)
    return [f"{path} is left out: files that it names are copied, too"] if has_rules else []


def _start_dvc(folder: Path) -> None:
    """Raise InputError where DVC could not work."""
    is_top = (folder / ".git").exists()
    with reasons_of_dvc(folder), Repo.init(str(folder), subdir=not is_top) as repo:
        cache = repo.cache.local.path
    if set("{}") & set(cache):
        raise InputError(
            f"{printable(cache)}: expected a path without {{ and }} for DVC's cache, as DVC fails "
            "at them. Choose a folder of another name."
        )


@contextlib.contextmanager
def reasons_of_dvc(folder: Path) -> Iterator[None]:
    """Raise InputError with the reason of DVC for what it raises in the block.

    Errors of the file system stay what they are.
    """
    logging.disable()  # a line for each file; its progress bars stay
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # DVC lets those of other libraries pass
        causes = filter(None, (error, error.__cause__))
        says = " ".join(dict.fromkeys(map(reason, causes)))
        raise InputError(
            f"{folder}: expected DVC to set up the project. Received: {says}"
        ) from None
    finally:
        logging.disable(logging.NOTSET)


def _require_archive(path: Path) -> None:
    """Raise InputError for a file that is neither a whole zip with images nor a tar."""
    if is_tar(path):
        return
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: expected a folder, a zip, a tar or a YAML file with the URL of one. "
            f"Received: {what_is(path) or 'another file'}."
        )
    with open_archive(path) as archive:
        names = members(archive)
        if any(map(is_image_name, names)) or any(map(is_metadata, names)):
            _require_content(_pointers_in(path, archive.zip_file))
            return
    raise InputError(
        f"{path}: expected a zip of images. Received: {name_some(names) or 'no files'}. Unpack an "
        "archive that it holds, and name that."
    )


def _pointers_in(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield the path of each image in a zip that is a pointer, and what it is."""
    for info in archive.infolist():
        if is_image_name(info.filename) and info.file_size <= MAX_BYTES:
            with contextlib.suppress(*BROKEN, RuntimeError):  # encrypted; `clean` says so
                if what := pointer(archive.read(info)):
                    yield f"{path}/{info.filename}", what


def _copy(images: Path, target: Path) -> None:
    """Copy a file, or a folder and what its links lead to, so that the user may write all copies.

    `dvc add --out` would copy, too, but with many small files it takes 1.7 times the seconds.
    """
    if images.is_file():
        shutil.copyfile(images, target)
        return
    ignored = shutil.ignore_patterns(*OF_REPOSITORIES)
    try:
        shutil.copytree(images, target, copy_function=_copy_file, ignore=ignored)
    except shutil.Error as error:
        (path, _, why), *others = error.args[0]
        more = f" and {len(others):,} more" if others else ""
        raise InputError(
            f"{path}{more}: expected a file to copy. Received: {why}. Remove it."
        ) from None
    for parent, *_ in os.walk(target):
        Path(parent).chmod(Path(parent).stat().st_mode | stat.S_IWUSR)


def _copy_file(source: str, target: str) -> None:
    """Raise InputError at once where there is no room: `copytree` tries every other file first."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise InputError(
                f"{printable(target)}: expected to write it. Received: {error.strerror}. Free "
                "space, or choose another folder."
            ) from None
        raise


def _with_resize(params: str, out: float) -> str:
    """`params.yaml` with another `model.resize`, if the middle square leaves out much of images."""
    if out <= MAX_LEFT_OUT:
        return params
    line = f"  resize: stretch  # crop would leave out {out:.0%} of the median image; or pad"
    return re.sub(r"^  resize: .*$", line, params, count=1, flags=re.MULTILINE)


def left_out_of(source: Path) -> float | None:
    """`left_out` of images below a folder or in a zip, of at most MAX_READ; None without images.

    Only headers are read. A file that is no image is left out.
    """
    sizes: list[tuple[int, int]] = []
    with contextlib.ExitStack() as opened:
        if source.is_dir():
            paths = {path.relative_to(source).as_posix(): path for path in _walk(source)}
            files = {name: functools.partial(paths[name].open, "rb") for name in sorted(paths)}
        else:
            files = {}
            with contextlib.suppress(zipfile.BadZipFile):  # a tar, or damaged
                archive = opened.enter_context(zipfile.ZipFile(source))
                files = {name: functools.partial(archive.open, name) for name in archive.namelist()}
        images = [name for name in files if is_image_name(name)]
        for name in images[:: -(-len(images) // MAX_READ) or 1]:
            # Pillow and zips raise anything for a damaged file.
            with contextlib.suppress(Exception), files[name]() as file:
                sizes.append(Image.open(file, formats=FORMATS).size)
    return left_out(*np.array(sizes).T) if sizes else None


def _require_apart(folder: Path, images: Path, is_outside: bool) -> None:
    if found := pointer_at(images):
        raise InputError(f"{images}: expected images or an archive. Received: {found}.")
    if not images.exists():
        raise InputError(
            f"{images}: expected a folder, zip, tar or YAML file with the URL of images. "
            "Received: nothing there. Name one with --images."
        )
    if images.is_dir():
        if is_outside:
            folder_files(images)  # raises InputError for a link
        found = list(_walk(images))
        _require_content(
            (path, what)
            for path in found
            if is_image_name(path.name) and (what := pointer_at(path))
        )
        if is_outside and (refused := [path for path in found if path.name == DVC_IGNORE]):
            raise InputError(
                f"{refused[0]}: expected no such file in images with --outside, as DVC refuses "
                "their folder. Name a folder without it, or let the images be copied."
            )
        require_utf8(path for path in found if path.is_file())
    if folder.resolve().is_relative_to(images.resolve()):
        raise InputError(f"{folder}: expected a folder outside of {images}.")
    if images.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{images}: expected images outside of {folder}, which gets a copy of them. Move them."
        )


def _require_content(pointers: Iterable[tuple[object, str]]) -> None:
    """Raise InputError for images, each with what it is, that are pointers to their content."""
    if first := next(pointers := iter(pointers), None):
        name, what = first
        more = f" and {number:,} more" if (number := sum(1 for _ in pointers)) else ""
        raise InputError(f"{printable(str(name))}{more}: expected images. Received: {what}.")


def describe_classes(images: Path, labels: dict[str, list[str]] | str) -> list[str]:
    """Return lines on the classes of a folder or archive; none for the URL of one.

    `labels` is `clean.labels`. Raises InputError as `find_places`.
    """
    encoding = ""
    if images.is_dir():
        paths = {path.relative_to(images).as_posix(): path for path in _walk(images)}
        names = sorted(paths)
        rows = parse_metadata_csv(str(images), names, lambda name: paths[name].read_bytes())
    elif zipfile.is_zipfile(images):
        with open_archive(images) as archive:
            names = members(archive)
            encoding = describe_encoding(archive)
            rows = read_metadata_csv(archive, names)
    elif is_tar(images):
        tables = {name: data if is_metadata(name) else b"" for name, data in tar_files(images)}
        names = sorted(tables)
        rows = parse_metadata_csv(str(images), names, tables.get)
    else:
        return []
    classes, places = find_places(names, rows, labels, str(images))
    notes = [describe_counts(count_labels(places, rows)), encoding, *describe_names(places)]
    notes += [] if classes else [WITHOUT_CLASSES]
    return [note for note in notes if note]


def _walk(folder: Path) -> Iterator[Path]:
    """Yield what `walk` yields. Raises InputError for a folder that it leaves out."""
    return walk(folder, _refuse)


def _refuse(path: Path, why: str) -> NoReturn:
    raise InputError(
        f"{path}: expected a folder to read. Received: {why}. Remove it, or check permissions."
    )


def _path_from(folder: Path, images: Path) -> str:
    images = images.parent.resolve() / images.name
    try:
        return Path(os.path.relpath(images, folder.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return images.as_posix()


def set_params(changes: dict[str, object]) -> None:
    """Write other values into params.yaml, by names such as `model.alpha`.

    Raises InputError, with nothing written, if one is wrong.
    """
    text = set_values(read_text(PARAMS), changes)
    check_content(Params, parse_yaml(text, str(PARAMS)), PARAMS, [])
    write_text(PARAMS, text)


def describe_changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Such as "model.alpha: 0.35 → null", for each param of `after` with another value; by name."""
    values = {name: (before.get(name), value) for name, value in after.items()}
    return [
        f"{name}: {' → '.join('null' if each is None else str(each) for each in pair)}"
        for name, pair in values.items()
        if pair[0] != pair[1]
    ]


def write_state(folder: Path, texts: dict[str, str]) -> None:
    """Write which texts of files, by name, and which defaults a project has from the package."""
    record = {"version": version(DISTRIBUTION), "files": texts, "params": flat(defaults())}
    write_json(folder / STATE, record)


def defaults() -> str:
    """Return the params of a new project without a recipe."""
    return set_values(template(PARAMS.name), MODEL)
