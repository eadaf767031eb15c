"""Read the images for a new project once: the names of files, and what labels and sizes need."""

import contextlib
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from PIL import Image

from pawprint.base.errors import InputError, name_some, printable
from pawprint.base.files import is_link_of_dvc, pointer_at, read_bytes, walk
from pawprint.base.labels import ONE_CLASS, LabelKind
from pawprint.base.paths import OF_URLS
from pawprint.given.archive import what_is
from pawprint.given.decoding.formats import FORMATS
from pawprint.given.names import describe_unsafe, is_image_name, is_visible, require_utf8
from pawprint.given.tar import is_tar
from pawprint.given.unpacking import unpack

MAX_READ = 2000  # number of evenly spaced images whose header is read


class Given(NamedTuple):
    """The images that a user gives for a new project: a folder, or a file with their URL.

    `files` has the path of each file in a folder by its sorted name there, or of a single file.
    `names` are the files in a folder; `images` and `others` are the visible ones with and without
    the suffix of an image. `read` returns the bytes of a metadata.csv among them. `sizes` are the
    width and height, in pixels, of some images. `notes` are lines about what was left out of an
    archive, or about a table. `table` describes the table that the metadata.csv is made of, or is
    "". `kind` says whether an image can show several labels.
    """

    path: Path
    files: Mapping[str, Path]
    names: list[str]
    images: list[str]
    others: list[str]
    read: Callable[[str], bytes]
    sizes: Sequence[tuple[int, int]] = ()
    notes: Sequence[str] = ()
    table: str = ""
    kind: LabelKind = ONE_CLASS


@contextlib.contextmanager
def open_given(path: Path, place: Path | None = None) -> Iterator[Given]:
    """Read a folder, or an archive, which is unpacked below `place` while the block runs.

    Raises InputError if images are missing. Errors in the block name the archive, and not the
    folder to which it was unpacked.
    """
    if found := pointer_at(path):
        raise InputError(f"{path}: expected images or an archive. Received: {found}.")
    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder. Set --images to a folder, zip, tar, or YAML file "
            "with the URL of images."
        )
    if path.is_dir():
        yield _read_folder(path)
    elif path.suffix in OF_URLS:
        yield Given(path, {path.name: path}, [], [], [], lambda name: b"")
    elif is_tar(path) or zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            try:
                notes = unpack(path, Path(folder))
                yield _read_folder(Path(folder))._replace(notes=notes)
            except InputError as error:
                raise InputError(str(error).replace(folder, str(path))) from None
    else:
        raise InputError(
            f"{path}: expected a folder, a zip, a tar or a YAML file with the URL of an archive. "
            f"Received: {what_is(path) or 'another file'}."
        )


def _read_folder(folder: Path) -> Given:
    """Raise InputError for a subfolder that cannot be searched, and for names that DVC refuses.

    Also raises InputError if no image has a safe name, and for pointers to the content of images.
    """
    found = ((path.relative_to(folder).as_posix(), path) for path in walk(folder, _refuse))
    files = dict(sorted(found))
    if problem := describe_unsafe(files):
        raise InputError(f"{folder}: {problem}")
    images = [*filter(is_image_name, files)]
    others = [name for name in files if is_visible(name) and not is_image_name(name)]
    if not images and any(name.lower().endswith((".arrow", ".parquet")) for name in others):
        raise InputError(
            f"{folder}: expected photos. Received: {name_some(others)}. Write them to a folder as "
            "`pawprint docs images` shows for Hugging Face data sets."
        )
    paths = [files[name] for name in images]
    if pointers := {str(path): what for path in paths if (what := pointer_at(path))}:
        what = next(iter(pointers.values()))
        raise InputError(f"{name_some(pointers, 1)}: expected images. Received: {what}.")
    require_utf8(path for path in files.values() if path.is_file())
    sizes = _sizes_of(paths)
    return Given(
        folder, files, [*files], images, others, lambda name: read_bytes(files[name]), sizes
    )


def _refuse(path: Path, why: str) -> NoReturn:
    raise InputError(
        f"cannot read the folder {printable(str(path))}: {why}. Check the permissions and links."
    )


def _sizes_of(images: Sequence[Path]) -> list[tuple[int, int]]:
    """Return the sizes of up to MAX_READ images. Only headers are read; others are left out."""
    sizes = []
    for path in images[:: -(-len(images) // MAX_READ) or 1]:
        # Pillow may raise any exception for a damaged file.
        with contextlib.suppress(Exception), path.open("rb") as file:
            sizes.append(Image.open(file, formats=FORMATS).size)
    return sizes


def require_inside(given: Given, names: Iterable[str]) -> None:
    """Raise InputError for a link that leads outside the images: others may have made it."""
    root = given.path.resolve()
    for source in (given.files[name] for name in names):
        if not source.resolve().is_relative_to(root) and not is_link_of_dvc(source):
            raise InputError(
                f"{printable(str(source))}: expected a file. Received: a link that leads outside "
                f"{given.path}. Replace it with a copy."
            )
