"""Read the images for a new project once: the names of files, and what labels and sizes need."""

import contextlib
import functools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from PIL import Image

from pawprint.base.errors import InputError, name_some, printable
from pawprint.base.files import LARGEST, pointer, pointer_at, read_bytes, walk
from pawprint.base.paths import OF_URLS
from pawprint.commands import forms
from pawprint.data.archive import (
    BROKEN,
    Archive,
    describe_encoding,
    members,
    open_archive,
    read_member,
    what_is,
)
from pawprint.data.decoding.formats import FORMATS
from pawprint.data.metadata_csv import is_metadata
from pawprint.data.names import describe_unsafe, is_image_name, require_utf8
from pawprint.data.sources import is_tar, tar_files

MAX_READ = 2000  # number of evenly spaced images for which `_sizes_of` reads the header


class Given(NamedTuple):
    """The images that a user gives for a new project: a folder, a zip, a tar, or another file.

    `files` has the path of each file in a folder by its sorted name there, or of a single file.
    `names` are the files in a folder or archive; `read` returns the bytes of a metadata.csv among
    them, while the block of `open_given` runs. `encoding` is a line about the names in a zip, or
    "". `sizes` are the width and height, in pixels, of some images.
    """

    path: Path
    files: Mapping[str, Path]
    names: list[str]
    read: Callable[[str], bytes]
    encoding: str = ""
    sizes: tuple[tuple[int, int], ...] = ()


@contextlib.contextmanager
def open_given(path: Path) -> Iterator[Given]:
    """Read a folder or the directory of an archive. Raises InputError if images are missing."""
    if found := pointer_at(path):
        raise InputError(f"{path}: expected images or an archive. Received: {found}.")
    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder. Set --images to a folder, zip, tar, or YAML file "
            "with the URL of images."
        )
    file = {path.name: path}
    if path.is_dir():
        yield _read_folder(path)
    elif path.suffix in OF_URLS or path.suffix.lower() in forms.OF_DATASETS:
        yield Given(path, file, [], lambda name: b"")
    elif is_tar(path):
        tables = {name: data if is_metadata(name) else b"" for name, data in tar_files(path)}
        yield Given(path, file, sorted(tables), tables.__getitem__)
    elif zipfile.is_zipfile(path):
        with open_archive(path) as archive:
            yield _read_zip(path, archive)
    else:
        raise InputError(
            f"{path}: expected a folder, a zip, a tar or a YAML file with the URL of an archive. "
            f"Received: {what_is(path) or 'another file'}."
        )


def _read_folder(folder: Path) -> Given:
    """Raise InputError for a subfolder that cannot be searched, and for names that DVC refuses."""
    below = [(path.relative_to(folder).as_posix(), path) for path in walk(folder, _refuse)]
    files = dict(sorted(below))
    images = {name: path for name, path in files.items() if is_image_name(path.name)}
    _require_content((path, pointer_at(path)) for path in images.values())
    require_utf8(path for path in files.values() if path.is_file())
    sizes = _sizes_of({name: functools.partial(_open, path) for name, path in images.items()})
    return Given(folder, files, [*files], lambda name: read_bytes(files[name]), "", sizes)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _refuse(path: Path, why: str) -> NoReturn:
    raise InputError(
        f"cannot read the folder {printable(str(path))}: {why}. Check the permissions and links."
    )


def _read_zip(path: Path, archive: Archive) -> Given:
    """Raise InputError for a zip without images, or in which they are only pointers."""
    names = members(archive)
    if problem := describe_unsafe(names):
        raise InputError(f"{path}: {problem}")
    if not any(is_image_name(name) or is_metadata(name) for name in names):
        raise InputError(
            f"{path}: expected a zip of images. Received: {name_some(names) or 'no files'}. If it "
            "contains an archive, unpack it and use the archive. For arrays, see docs/images.md."
        )
    zip_file = archive.zip_file
    infos = zip_file.infolist() if zip_file else []
    images = {
        info.filename: functools.partial(zip_file.open, info)
        for info in infos
        if zip_file and is_image_name(info.filename)
    }
    small = {info.filename for info in infos if info.file_size <= LARGEST}
    _require_content(
        (f"{path}/{name}", _pointer_in(open_image))
        for name, open_image in images.items()
        if name in small
    )
    read = functools.partial(read_member, archive)
    encoding = describe_encoding(archive)
    return Given(path, {path.name: path}, names, read, encoding, _sizes_of(images))


def _pointer_in(open_image: Callable[[], IO[bytes]]) -> str | None:
    """Return the kind of pointer that a member of a zip is, if any."""
    # The file may be encrypted or damaged, which `clean` reports.
    with contextlib.suppress(*BROKEN, RuntimeError), open_image() as file:
        return pointer(file.read())
    return None


def _require_content(pointers: Iterable[tuple[object, str | None]]) -> None:
    """Raise InputError if images are only pointers to their content. The kind is given for each."""
    found = {str(name): what for name, what in pointers if what}
    if found:
        what = next(iter(found.values()))
        raise InputError(f"{name_some(found, 1)}: expected images. Received: {what}.")


def _sizes_of(images: Mapping[str, Callable[[], IO[bytes]]]) -> tuple[tuple[int, int], ...]:
    """Return the sizes of up to MAX_READ images. Only headers are read; others are left out."""
    sizes = []
    for name in [*images][:: -(-len(images) // MAX_READ) or 1]:
        # Pillow and zipfile may raise any exception for a damaged file.
        with contextlib.suppress(Exception), images[name]() as file:
            sizes.append(Image.open(file, formats=FORMATS).size)
    return tuple(sizes)
