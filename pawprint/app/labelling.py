"""Images that get a label: copied to the place of their class, and taken back."""

import contextlib
import filecmp
import itertools
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from unicodedata import normalize

from pawprint.app.label_tables import Cells, alone, read_rows, rewrite
from pawprint.app.places import Places
from pawprint.dataset.layouts import FILE_NAME
from pawprint.errors import InputError
from pawprint.files import replacing

MAX_MISSING = 5  # numbers of a name that no file has


def copy_of(image: Path, places: Places) -> Path | None:
    """The file that `add` made of the same image earlier, if any."""
    for folder in {folder for folder, _ in places.values()}:
        missing = 0
        for path in _numbered(folder / _safe(image)):
            if missing > MAX_MISSING:
                break
            if not os.path.lexists(path):
                missing += 1  # perhaps taken back
            elif path.is_file() and filecmp.cmp(image, path, shallow=False):
                return path
    return None


def copied(images: list[Path], places: Places) -> set[Path]:
    """Those of the images of which `copy_of` finds a copy. Most are told apart by their sizes."""
    folders = {folder for folder, _ in places.values() if folder.exists()}
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    sizes = {path.stat().st_size for path in files}
    alike = (path for path in images if path.is_file() and path.stat().st_size in sizes)
    return {path for path in alike if copy_of(path, places)}


def add(places: Places, image: Path, label: str) -> Callable[[], None]:
    """Copy an image to the place of its label. Returns what takes this back.

    No file and no row is overwritten: a name that exists gets a number. Raises InputError or
    OSError, with nothing changed; also if the image is there already.
    """
    folder, recorded = places[label]
    table = folder / FILE_NAME
    first = min(folder for folder, _ in places.values()) / FILE_NAME  # the same for all classes

    def record(cells: Cells | None) -> None:
        if recorded:
            rewrite(table, "file_name", {copy.name: cells})

    def take_back() -> None:
        with alone(first):
            record(None)
            copy.unlink(missing_ok=True)

    with alone(first):
        if known := copy_of(image, places):
            raise InputError(f"{image}: expected a new image. Received: that of {known}. Skip it.")
        rows = read_rows(table, "file_name") if recorded else []
        names = [row["file_name"] for row in rows]
        taken = {posixpath.normpath(normalize("NFC", name.strip())).lower() for name in names}
        with _copied(image, folder / _safe(image), taken) as copy:
            record({"file_name": copy.name, "label": recorded})
    return take_back


@contextlib.contextmanager
def _copied(file: Path, wanted: Path, taken: Container[str]) -> Iterator[Path]:
    """The path of a new copy of the file: the first of its names that is free, and not `taken`.

    After an exception in the block, there is no copy.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for path in _numbered(wanted):
        with contextlib.suppress(FileExistsError):
            if path.name.lower() not in taken:
                path.touch(exist_ok=False)  # no other process takes this name
                break
    try:
        with replacing(path) as partial:
            shutil.copy2(file, partial)
        yield path
    except (InputError, OSError):
        path.unlink()
        raise


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))


def _safe(image: Path) -> str:
    """A name that `clean` accepts, a CSV can hold, and is short enough for every file system."""
    stem = re.sub(r"[^\w ()+.-]", "_", image.stem)[:50].strip(" .")
    return (stem or "image") + image.suffix
