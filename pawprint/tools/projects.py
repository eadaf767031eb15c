"""Projects for images of a user: making one, and renewing it after an upgrade of the package."""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from pawprint.dataset.folders import AUTO, describe_counts, describe_names
from pawprint.dataset.layouts import (
    count_labels,
    find_places,
    is_metadata,
    parse_metadata_csv,
    read_metadata_csv,
)
from pawprint.dataset.sources import folder_files, is_tar, require_utf8, tar_files
from pawprint.dataset.user_tables import EMPTY_TABLES
from pawprint.errors import InputError, printable
from pawprint.files import parse_yaml, read_text, write_json, write_text
from pawprint.git import git, try_git
from pawprint.images.archive import members, open_archive
from pawprint.images.decoder import FORMATS, MAX_LEFT_OUT, is_image_name, left_out
from pawprint.package import DISTRIBUTION, PACKAGE
from pawprint.params.section import check_content, shown
from pawprint.params.whole import Params
from pawprint.project import PARAMS
from pawprint.recipes.overlay import add_missing, apply_recipe, set_values
from pawprint.templates.files import (
    CONFIG,
    IGNORE,
    REPLACED,
    files,
    flat,
    template,
)

# Width and size are the best on thirteen sets of images (docs/backbones.md); fine-tuning from a
# solved head helps on too few of ten (docs/decisions/28).
MODEL = {"model.alpha": 1.0, "model.image_size": 224, "model.fine_tune_at": None}
OF_A_CLASS = ("calibrate.recall", "calibrate.threshold")  # numbers before version 0.4
MAX_READ = 2000  # images, evenly chosen, of which `left_out_of` reads the header
STATE = Path(".pawprint.json")  # the files that were written, by name, and the default params


def create(
    folder: Path,
    images: Path | None,
    recipe: str | None,
    is_outside: bool,
    labels: str = AUTO,
) -> tuple[str, list[str]]:
    """Make a project with Git and DVC in a new or empty folder.

    Returns its `fetch.source`, and lines: which classes the images have, if that can be known
    before `fetch`, and which `model.resize` was chosen and why. `labels` is AUTO or the reading of
    folders for `clean.labels`.

    The images are copied into the project, for DVC, if they are not to stay outside; a YAML file
    with their URL for Git. Without `images`, they are those of the recipe. Raises InputError, with
    nothing left behind, if there are no images or the folder holds something.
    """
    params = template(PARAMS.name)
    if recipe:
        params = apply_recipe(params, recipe)
    if images:
        params = set_values(params, {"clean.labels": labels})
    values = flat(params)
    if not images and not values["fetch.source"].startswith("pawprint/"):
        raise InputError(f"{recipe}: expected --images, as this recipe has none of its own.")
    images = images or PACKAGE.parent / values["fetch.source"]
    _require_apart(folder, images, is_outside)
    lines = describe_classes(images, flat(params)["clean.labels"])
    is_url = images.suffix in (".yaml", ".yml")
    if not (images.is_dir() or is_url or zipfile.is_zipfile(images) or is_tar(images)):
        raise InputError(f"{images}: expected a folder, zip, tar or YAML file. Received: another.")
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
    with _new_folder(folder):
        _start_git_and_dvc(folder)
        for name, text in (
            texts | EMPTY_TABLES | {CONFIG: template(CONFIG), PARAMS.name: params}
        ).items():
            write_text(folder / name, text)
        for path, name in copied.items():
            shutil.copy(path, folder / name)
        _write_state(folder, texts)
        if not is_url and not is_outside:
            _copy(images, folder / source)
            _track(folder, source)
    if out is not None:
        how, part = flat(params)["model.resize"], f"{out:.0%} of the median image"
        lines.append(f"model.resize is {how}: the middle square of `crop` would leave out {part}")
    return source, lines


def _start_git_and_dvc(folder: Path) -> None:
    if try_git("rev-parse", "--is-inside-work-tree", folder=folder) is None:
        git("init", "--quiet", folder=folder)
    root = [] if (folder / ".git").exists() else ["--subdir"]
    _run_dvc(folder, "init", "--quiet", *root)


def _track(folder: Path, source: str) -> None:
    is_shown = sys.stderr.isatty()  # a progress bar
    quiet = [] if is_shown else ["--quiet"]
    stderr = None if is_shown else subprocess.PIPE
    _run_dvc(folder, "add", *quiet, source, stderr=stderr)


def _copy(images: Path, target: Path) -> None:
    """Copy a file, or a folder and what its links lead to, so that the user may write all copies.

    `dvc add --out` would copy, too, but with many small files it takes 1.7 times the seconds.
    """
    if images.is_file():
        shutil.copyfile(images, target)
        return
    ignored = shutil.ignore_patterns(".dvc", ".git")  # in a repository DVC would track nothing
    try:
        shutil.copytree(images, target, copy_function=shutil.copyfile, ignore=ignored)
    except shutil.Error as error:
        (path, _, why), *others = error.args[0]
        more = f" and {len(others):,} more" if others else ""
        raise InputError(
            f"{path}{more}: expected a file to copy. Received: {why}. Remove it."
        ) from None
    for parent, *_ in os.walk(target):
        Path(parent).chmod(Path(parent).stat().st_mode | stat.S_IWUSR)


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
    if not images.exists():
        raise InputError(
            f"{images}: expected a folder, zip, tar or YAML file with the URL of images. "
            "Received: nothing there. Name one with --images."
        )
    if images.is_dir():
        if is_outside:
            folder_files(images)  # raises InputError for a link
        require_utf8(path for path in _walk(images) if path.is_file())
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: expected a new or an empty folder. Nothing is overwritten.")
    if folder.resolve().is_relative_to(images.resolve()):
        raise InputError(f"{folder}: expected a folder outside of {images}.")


def describe_classes(images: Path, labels: dict[str, list[str]] | str) -> list[str]:
    """Return lines on the classes of a folder or archive; none for the URL of one.

    `labels` is `clean.labels`. Raises InputError as `find_places`.
    """
    if images.is_dir():
        paths = {path.relative_to(images).as_posix(): path for path in _walk(images)}
        names = sorted(paths)
        rows = parse_metadata_csv(str(images), names, lambda name: paths[name].read_bytes())
    elif zipfile.is_zipfile(images):
        with open_archive(images) as archive:
            names = members(archive)
            rows = read_metadata_csv(archive, names)
    elif is_tar(images):
        tables = {name: data if is_metadata(name) else b"" for name, data in tar_files(images)}
        names = sorted(tables)
        rows = parse_metadata_csv(str(images), names, tables.get)
    else:
        return []
    _, places = find_places(names, rows, labels, str(images))
    return [describe_counts(count_labels(places, rows)), *describe_names(names)]


def _walk(folder: Path) -> Iterator[Path]:
    """Everything but folders below a folder, and below the folders that links there lead to."""

    def refuse(error: OSError) -> None:
        raise InputError(
            f"{error.filename}: expected a folder that can be read. Received: {error.strerror}. "
            "Check permissions."
        )

    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        for path in (Path(parent, name) for name in folders):
            if path.is_symlink() and path.resolve() in map(Path.resolve, path.absolute().parents):
                raise InputError(
                    f"{path}: expected files and folders. Received: a link to a folder that it is "
                    "in. Remove it."
                )
        yield from (Path(parent, name) for name in names)


def _path_from(folder: Path, images: Path) -> str:
    images = images.parent.resolve() / images.name
    try:
        return Path(os.path.relpath(images, folder.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return images.as_posix()


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and leave it as it was, missing or empty, if the block fails."""
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):  # the error that is raised says why
            for path in folder.iterdir():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            if not existed:
                folder.rmdir()
        if isinstance(error, OSError):
            raise InputError(
                f"{folder}: expected to write a project. Received: {error.strerror or error}"
            ) from None
        raise


def _run_dvc(folder: Path, *arguments: str, stderr: int | None = subprocess.PIPE) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    options = {"stdout": subprocess.DEVNULL, "stderr": stderr, "text": True, "errors": "replace"}
    result = subprocess.run(command, cwd=folder, **options)
    if result.returncode:
        message = printable(" ".join((result.stderr or f"status {result.returncode}").split()))
        raise InputError(f"{folder}: expected `dvc` to set up the project. Received: {message}")


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


def upgrade(folder: Path = Path()) -> list[str]:
    """Renew a project for the installed package. Returns a line for each change and each conflict.

    The changes of the package are merged into those of the user, by Git. Where both changed the
    same lines, the file stays, and that of the package is put beside it as `FILE.new`. All values
    and comments of `params.yaml` stay. Raises InputError before anything is written.
    """
    git("--version")  # without it, every merge would be a conflict
    state = _read_state(folder)
    params, defaults = read_text(folder / PARAMS), _defaults()
    source = flat(params).get("fetch.source")
    if not isinstance(source, str):
        raise InputError(f"{PARAMS}: fetch.source: expected a path. Received: {shown(source)}.")
    texts = files(source)
    changes, notes = {}, list(_notes(flat(params), flat(defaults), state["params"]))
    if flat(defaults).keys() - flat(params).keys():
        changes[PARAMS.name] = add_missing(params, defaults)
    for name, text in texts.items():
        path, base = folder / name, state["files"].get(name)
        if not path.exists():
            if base is None:
                changes[name] = text
                notes.append(f"{name}: new")
            continue
        current = read_text(path)
        if base == _hash(current):  # as versions before 0.4 kept what was written
            base = current
        if text in (base, current):
            continue
        merged = merge(current, base or "", text, is_union=name in IGNORE)
        if merged is None:
            changes[f"{name}.new"] = text
            notes.append(f"{name}: yours is kept, as both changed it; {name}.new is the new one")
        elif merged != current:
            changes[name] = merged
            notes.append(f"{name}: renewed" + "; your changes are kept" * (merged != text))
    for name, text in EMPTY_TABLES.items():
        if not (folder / name).exists():
            changes[name] = text
    for name, text in changes.items():
        write_text(folder / name, text)
    _write_state(folder, texts)
    return notes


def _read_state(folder: Path) -> dict:
    path = folder / STATE
    if not path.exists():
        raise InputError(f"{path}: expected a project that `pawprint init` made.")
    with contextlib.suppress(ValueError):
        state = json.loads(read_text(path))
        if isinstance(state, dict) and {"files", "params"} <= state.keys():
            return state
    raise InputError(f"{path}: expected what `pawprint init` wrote. Restore it from Git.")


def _notes(params: dict, defaults: dict, earlier: dict) -> Iterator[str]:
    """Lines about params: new ones, those that no longer exist, and defaults that changed."""
    for name in defaults:
        if name not in params:
            yield f"{PARAMS}: {name}: new"
        elif name in earlier and defaults[name] != earlier[name] == params[name]:
            kept, default = json.dumps(params[name]), json.dumps(defaults[name])
            yield f"{PARAMS}: {name}: {kept} is kept; the default is now {default}"
    for name in OF_A_CLASS:
        if isinstance(params.get(name), float):
            example = f"{{CLASS: {params[name]}}}"
            yield f"{PARAMS}: {name}: write {example}; a number was of the last class by name."
    for name in (name for name in params if name not in defaults):
        is_set = name in REPLACED and params[name] is not None
        instead = f"Set {REPLACED[name]} instead, and remove" if is_set else "Remove"
        yield f"{PARAMS}: {name}: no longer exists. {instead} it."


def merge(current: str, base: str, new: str, is_union: bool) -> str | None:
    """What `git merge-file` makes of two changes of a base, or None where they are in conflict.

    With `is_union`, lines of both are kept there.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("current", "base", "new")]
        for path, text in zip(paths, (current, base, new)):
            write_text(path, text)
        return try_git("merge-file", "-p", *["--union"] * is_union, *map(str, paths))


def _write_state(folder: Path, texts: dict[str, str]) -> None:
    record = {"version": version(DISTRIBUTION), "files": texts, "params": flat(_defaults())}
    write_json(folder / STATE, record)


def _defaults() -> str:
    """The params of a new project without a recipe."""
    return set_values(template(PARAMS.name), MODEL)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
