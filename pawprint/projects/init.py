"""Create a project for the user's images."""

import contextlib
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
from PIL import Image

from pawprint import forms, templates
from pawprint.dataset.folder_messages import describe_class_counts, describe_names
from pawprint.dataset.folders import AUTO, find_layout
from pawprint.dataset.metadata_csv import is_metadata, parse_metadata_csv, read_metadata_csv
from pawprint.dataset.sources import describe_empty, folder_files
from pawprint.dataset.tar_files import is_tar, tar_files
from pawprint.dataset.unusual import MAX_LEFT_OUT, left_out
from pawprint.dataset.user_tables import EMPTY_TABLES
from pawprint.decoding.formats import FORMATS
from pawprint.errors import InputError, name_some, printable
from pawprint.files import read_text, walk, write_text, writing
from pawprint.git import git, work_tree
from pawprint.images.archive import BROKEN, describe_encoding, members, open_archive, what_is
from pawprint.images.names import describe_unsafe, is_image_name, require_utf8
from pawprint.images.pointers import LARGEST, pointer, pointer_at
from pawprint.installation import requirement
from pawprint.named_file import copy_file, naming, read_bytes, reading
from pawprint.package import PACKAGE
from pawprint.params.file import set_values
from pawprint.paths import OF_URLS, PARAMS, REQUIREMENTS, STATE
from pawprint.pipeline.dvc import make_project, track
from pawprint.projects.recipes import NEW, new_params
from pawprint.projects.upgrade import write_received
from pawprint.templates import CONFIG, DVC_IGNORE, IGNORE, template
from pawprint.yaml_file import parse_mapping

# If the photos' folder is a repository, DVC would track nothing there, or refuse to.
OF_REPOSITORIES = (".dvc", DVC_IGNORE, ".git")
WITHOUT_CLASSES = "No folder is a class: label the photos in the app or in a metadata.csv"
SQUARE = 0.01  # fraction outside the central square, up to which images count as square
MAX_READ = 2000  # number of evenly spaced images for which `left_out_of` reads the header


def create(
    folder: Path,
    images: Path | None,
    recipe: str | None,
    is_outside: bool,
    labels: str = AUTO,
    asked: forms.Asked = forms.NOTHING,
) -> list[str]:
    """Create a project with Git and DVC in a new or empty folder, or in a clone without a project.

    Returns lines about the classes of the images (if they are known before `fetch`), on the choice
    of `model.resize`, on empty folders, on the copy of the images, on the rules that `.gitignore`
    overrides, and on what others lack to install the package. `labels` is AUTO, or the way to read
    folders for `clean.labels`. `asked` names a table or the column with the labels, for images in
    another form.

    Unless the images are to stay outside, they are copied into the project and tracked with DVC. A
    YAML file with their URL is tracked with Git. Without `images`, the recipe determines them.
    Raises InputError, and leaves the folder unchanged, if images are missing or a file is in
    the way.
    """
    if (folder / STATE).is_file():
        raise InputError(
            f"{folder} is already a project. Continue in this folder. For a new project, choose "
            "another folder."
        )
    given = images
    params, images = _params_and_images(images, recipe, labels)
    with reading():
        _require_apart(folder, images, is_outside)
        if not (images.is_dir() or images.suffix in OF_URLS):
            _require_archive(images)
        content = parse_mapping(params, PARAMS.name)
        form, notes = _find_classes(images, asked, content["clean"]["labels"], is_outside)
    source = "photos" if form else _source_of(folder, images, is_outside)
    params = set_values(params, {"fetch.source": source})
    copied = {images: images.name} if images.suffix in OF_URLS else {}
    weights = PACKAGE.parent / content["weights"]["source"]
    if weights.is_file():  # the weights are installed by the package
        copied[weights] = weights.name
        params = set_values(params, {"weights.source": weights.name})
    choice: list[str] = []
    if not recipe:
        with reading():
            params, choice = _choose_resize(params, images)
    in_git = [*templates.names_in_git(source), *copied.values()]
    templates.require_free(folder, in_git if is_outside else [*in_git, source])
    with templates.restored_after_failure(folder):
        later = _write_project(folder, source, params, in_git)
        for path, name in copied.items():
            shutil.copy(path, folder / name)
        if images not in copied and not is_outside:
            notes += _bring(images, folder, source, form)
    copy = _describe_copy(folder, source, given) if given else []
    return [*notes, *choice, *copy, *later]


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
    images: Path, asked: forms.Asked, labels: dict[str, list[str]] | str, is_outside: bool
) -> tuple[forms.Form | None, list[str]]:
    """Return the form of images that `clean` does not read by itself, and lines about the classes.

    `labels` is `clean.labels`. Raises InputError for a form outside the project.
    """
    form = forms.find_form(images, _files_of(images), asked, labels)
    if form and is_outside:
        raise InputError(
            f"{images}: expected folders of classes or a metadata.csv for --outside. Received: "
            f"{form.name}. Omit --outside to copy the photos."
        )
    if form:
        return form, forms.describe_form(images, form)
    return None, describe_classes(images, labels)


def _source_of(folder: Path, images: Path, is_outside: bool) -> str:
    """Return the `fetch.source` of images."""
    if images.suffix in OF_URLS:
        return images.name
    if is_outside:
        return _path_from(folder, images)
    return f"photos{''.join(images.suffixes[-2:])}" if images.is_file() else "photos"


def _choose_resize(params: str, images: Path) -> tuple[str, list[str]]:
    """Return the params of a new project with a `model.resize` for these images, and the reason."""
    out = left_out_of(images)
    if out is None or out < SQUARE:
        return params, []
    cut = f"the middle square leaves out {out:.0%} of a typical image"
    if out > MAX_LEFT_OUT:
        line = f"model.resize is stretch: {cut}, which `crop` would lose; no action is needed"
        return set_values(params, {"model.resize": "stretch"}), [line]
    advice = "This is normal for photos: only change it if the edges matter"
    return params, [f"model.resize is crop: {cut}. {advice}"]


def _write_project(folder: Path, source: str, params: str, in_git: list[str]) -> list[str]:
    """Write a project without its images. Return lines about .gitignore and requirements.txt.

    `in_git` lists the files that Git must not ignore.
    """
    files = templates.files(source)
    texts = templates.with_own(folder, files)
    if work_tree(folder) is None:
        git("init", "--quiet", folder=folder)
    write_text(folder / IGNORE, texts[IGNORE])  # written first, because DVC rejects ignored files
    rules = templates.take_back(folder, in_git)
    if rules:
        texts[IGNORE] = read_text(folder / IGNORE)
    make_project(folder)
    written = texts | EMPTY_TABLES | {CONFIG: template(CONFIG), PARAMS.name: params}
    for name, text in written.items():
        write_text(folder / name, text)
    write_received(folder, {name: text for name, text in files.items() if name in texts})
    _, missing = requirement()
    notes = [missing] if missing and str(REQUIREMENTS) in texts else []
    return [f".gitignore overrides this rule: {rule}" for rule in rules] + notes


def _bring(images: Path, folder: Path, source: str, form: forms.Form | None) -> list[str]:
    """Copy images into a project and track them with DVC. Return lines about a .dvcignore."""
    if form:
        forms.write_form(form, images, folder / source)
    else:
        _copy(images, folder / source)
    track(folder, source)
    path = images / DVC_IGNORE
    has_rules = path.is_file() and re.search(r"^\s*[^\s#]", read_text(path), re.MULTILINE)
    return [f"{path} is not applied, so files that it lists are copied, too"] if has_rules else []


def _describe_copy(folder: Path, source: str, images: Path) -> list[str]:
    """Return lines about empty folders in the given images, and about their copy, if any."""
    lines = describe_empty(images) if images.is_dir() else []
    if (folder / f"{source}.dvc").exists():
        change = "add and remove photos" if images.is_dir() else "put a new one"
        lines.append(f"{folder / source} is a copy of {images}: {change} there")
    return lines


def _require_archive(path: Path) -> None:
    """Raise InputError if a file is neither a complete zip with images nor a tar."""
    if is_tar(path) or path.suffix.lower() in forms.OF_DATASETS:
        return
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: expected a folder, a zip, a tar or a YAML file with the URL of an archive. "
            f"Received: {what_is(path) or 'another file'}."
        )
    with open_archive(path) as archive:
        names = members(archive)
        if problem := describe_unsafe(names):
            raise InputError(f"{path}: {problem}")
        if any(map(is_image_name, names)) or any(map(is_metadata, names)):
            _require_content(_pointers_in(path, archive.zip_file))
            return
    raise InputError(
        f"{path}: expected a zip of images. Received: {name_some(names) or 'no files'}. If it "
        "contains an archive, unpack it and use the archive. For arrays, see docs/images.md."
    )


def _pointers_in(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, str | None]]:
    """Yield the path of each small image in a zip, and the kind of pointer if it is one."""
    for info in archive.infolist():
        if is_image_name(info.filename) and info.file_size <= LARGEST:
            # The file may be encrypted, which `clean` reports.
            with contextlib.suppress(*BROKEN, RuntimeError):
                yield f"{path}/{info.filename}", pointer(archive.read(info))


def _copy(images: Path, target: Path) -> None:
    """Copy a file, or a folder including the targets of its links, so that the user can write it.

    `dvc add --out` would also copy, but takes 1.7 times as long for many small files. Raises
    InputError for the first file that cannot be read or written.
    """
    for name, path in _files_of(images).items():
        if not set(OF_REPOSITORIES).isdisjoint(PurePosixPath(name).parts):
            continue
        if path.exists() and not path.is_file():  # copying a pipe would never end
            raise InputError(f"cannot copy {path}: it is not a regular file. Move it elsewhere.")
        copy = target / name if images.is_dir() else target
        with writing(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy_file(path, copy)


def left_out_of(source: Path) -> float | None:
    """Return `left_out` for up to MAX_READ images in a folder or zip, or None without images.

    Only headers are read. Files that are not images are ignored.
    """
    sizes: list[tuple[int, int]] = []
    with contextlib.ExitStack() as opened:
        files: Mapping[str, Path | zipfile.Path] = _files_of(source)
        if not source.is_dir():
            files = {}
            with contextlib.suppress(zipfile.BadZipFile), naming(source):  # a tar or a damaged zip
                archive = opened.enter_context(zipfile.ZipFile(source))
                files = {name: zipfile.Path(archive, name) for name in archive.namelist()}
        images = [name for name in files if is_image_name(name)]
        for name in images[:: -(-len(images) // MAX_READ) or 1]:
            # Pillow and zipfile may raise any exception for a damaged file.
            with contextlib.suppress(Exception), files[name].open("rb") as file:
                sizes.append(Image.open(file, formats=FORMATS).size)
    return left_out(*np.array(sizes).T) if sizes else None


def _require_apart(folder: Path, images: Path, is_outside: bool) -> None:
    if found := pointer_at(images):
        raise InputError(f"{images}: expected images or an archive. Received: {found}.")
    if not images.exists():
        raise InputError(
            f"{images}: no such file or folder. Set --images to a folder, zip, tar, or YAML file "
            "with the URL of images."
        )
    if images.is_dir():
        if is_outside:
            folder_files(images)  # raises InputError for a link
        paths = [*_files_of(images).values()]
        _require_content((path, pointer_at(path)) for path in paths if is_image_name(path.name))
        if is_outside and (refused := [path for path in paths if path.name == DVC_IGNORE]):
            raise InputError(
                "cannot use the images in place with --outside: DVC rejects a folder with "
                f"{refused[0]}. Choose a folder without it, or omit --outside."
            )
        require_utf8(path for path in paths if path.is_file())
    if folder.resolve().is_relative_to(images.resolve()):
        raise InputError(
            f"cannot create the project in {folder}: it is inside the folder of images, {images}. "
            "Choose a folder elsewhere."
        )
    if images.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"cannot copy {images}: it is inside the destination, {folder}. Move the images "
            "elsewhere."
        )


def _require_content(pointers: Iterable[tuple[object, str | None]]) -> None:
    """Raise InputError if images are only pointers to their content. The kind is given for each."""
    found = {str(name): what for name, what in pointers if what}
    if found:
        what = next(iter(found.values()))
        raise InputError(f"{name_some(found, 1)}: expected images. Received: {what}.")


def describe_classes(images: Path, labels: dict[str, list[str]] | str) -> list[str]:
    """Return lines about the classes in a folder or archive, or none for a URL.

    `labels` is `clean.labels`. Raises InputError for the same reasons as `find_layout`.
    """
    encoding = ""
    if images.is_dir():
        files = _files_of(images)
        names = [*files]
        rows = parse_metadata_csv(str(images), names, lambda name: read_bytes(files[name]))
    elif zipfile.is_zipfile(images):
        with open_archive(images) as archive:
            names = members(archive)
            encoding = describe_encoding(archive)
            rows = read_metadata_csv(archive, names)
    elif is_tar(images):
        tables = {name: data if is_metadata(name) else b"" for name, data in tar_files(images)}
        names = sorted(tables)
        rows = parse_metadata_csv(str(images), names, tables.__getitem__)
    else:
        return []
    if problem := describe_unsafe(names):
        raise InputError(f"{images}: {problem}")
    layout = find_layout(names, rows, labels, str(images))
    counts = describe_class_counts(layout.count_labels())
    notes = [counts, encoding, *describe_names(layout.places)]
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


def _files_of(images: Path) -> dict[str, Path]:
    """Return the files in a folder by their sorted names there, or a file by its name.

    Raises InputError for a subfolder that cannot be searched.
    """
    if not images.is_dir():
        return {images.name: images}
    return dict(
        sorted((path.relative_to(images).as_posix(), path) for path in walk(images, _refuse))
    )


def _refuse(path: Path, why: str) -> NoReturn:
    raise InputError(
        f"cannot read the folder {printable(str(path))}: {why}. Check the permissions and links."
    )


def _path_from(folder: Path, images: Path) -> str:
    images = images.parent.resolve() / images.name
    try:
        return Path(os.path.relpath(images, folder.resolve())).as_posix()
    except ValueError:  # the path is on another Windows drive
        return images.as_posix()
