"""Import images: pack a folder, zip, tar or URL into a zip, or list a folder tracked by DVC.

Also describe which files were added and removed.
"""

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.files import (
    OF_SYSTEMS,
    copy_file,
    describe_failure,
    is_link_of_dvc,
    open_binary,
    pack,
    pointer_at,
    read_bytes,
    replacing,
)
from pawprint.base.paths import OF_URLS
from pawprint.base.yaml_file import read_yaml
from pawprint.given.archive import ZIP, members, open_archive, read_member, what_is, write_list
from pawprint.given.names import member_name, require_utf8
from pawprint.given.tar import describe_left_out, is_tar, tar_files
from pawprint.pipeline.params.section import Section, Sha256, check_content

Files = list[tuple[str, Path]]  # the name in the archive, and the file


def folder_files(folder: Path) -> Files:
    """Return every file in a folder except OF_SYSTEMS, with relative paths, sorted by path.

    Prints the lines of `describe_empty`.

    Raises InputError if the folder is empty, or if an entry is neither a file nor a folder. Links
    are rejected, because their target may be outside the folder and private, except for DVC's links
    to its cache.
    """
    files = sorted(_walk(folder))
    for line in describe_empty(folder):
        print(f"fetch: {line}")
    if not files:
        raise InputError(f"fetch.source: expected images in {folder}. Received: an empty folder.")
    for _, path in files:
        _require_file(path)
    return [(member_name(name), path) for name, path in files]


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file and link below a folder except OF_SYSTEMS, with its relative path."""
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder):
        inner = Path(parent).relative_to(folder).as_posix()
        prefix = "" if inner == "." else f"{inner}/"
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in {*links, *names}.difference(OF_SYSTEMS):
            yield f"{prefix}{name}", Path(parent, name)


def _refuse_folder(error: OSError) -> None:
    """Convert an error from `os.walk` to InputError."""
    raise InputError(f"fetch.source: {describe_failure(error, 'read')}")


def _require_file(path: Path) -> None:
    """Raise InputError if an entry of a folder is neither a file nor DVC's link to one."""
    is_link = path.is_symlink()
    is_of_dvc = is_link_of_dvc(path)
    if path.is_file() and (is_of_dvc or not is_link):
        return
    kind = "a link. Replace it with a copy" if is_link else "neither. Remove it"
    if is_of_dvc:
        kind = "a link to a file that is missing from DVC's cache. Run `dvc pull`"
    raise InputError(
        f"fetch.source: expected files and folders. Received: {printable(str(path))}, "
        f"which is {pointer_at(path) or kind}."
    )


def describe_empty(folder: Path) -> list[str]:
    """Return a line for each visible subfolder that is empty except for OF_SYSTEMS."""
    empty = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not folders and not {*files} - {*OF_SYSTEMS}:
            empty.append(f"{printable(parent)} has no files")
    return empty


def list_files(source: Path) -> tuple[list[str], Callable[[str], bytes]] | None:
    """Return the sorted names of the files in a folder or zip, and a function that reads one.

    The names are the same as in later stages, except that they include files excluded by
    .dvcignore. Listing is fast, because files are not opened. Returns None for other sources.
    Raises InputError for a folder that cannot be read, for a name that `require_utf8` rejects, and
    for the same reasons as `open_archive`.
    """
    if source.is_dir():
        paths = dict(_walk(source))
        require_utf8(paths.values())
        return sorted(paths), lambda name: read_bytes(paths[name])
    if source.is_file() and zipfile.is_zipfile(source):
        archive = open_archive(source)
        return members(archive), partial(read_member, archive)
    return None


class RemoteSource(Section):
    """A YAML source file, with an archive's URL and, if known, its SHA-256."""

    url: Annotated[str, Field(pattern="^https?://[^/]+/.*[^/]$")]  # a file, not a folder
    sha256: Sha256 | None = None


def fetch(source: Path, folder: Path, tracked: Mapping[str, str] | None = None) -> str:
    """Write the images to the folder, as a zip or a list. Return how many there are, as text.

    A zip is copied. A folder or a tar is packed into a zip, with the same bytes every time. If DVC
    tracks the folder, `tracked` contains MD5 hashes keyed by path; the files are then listed and
    stay where they are. Raises InputError if the source is missing or is anything else.
    """
    if source.is_file() and source.suffix in OF_URLS:
        from pawprint.base.download import download  # slow, and few sources are URLs

        remote = check_content(RemoteSource, read_yaml(source), source, [])
        source = download(remote.url, remote.sha256, str(source))
    if not source.is_dir() and not source.is_file():  # reading a pipe would never end
        raise _no_source(source)
    with replacing(folder) as partial:
        partial.mkdir()
        images = partial / ZIP
        if source.is_dir():
            found = folder_files(source)
            if tracked is not None:
                # Files excluded by .dvcignore are not listed.
                listed = {name: tracked[name] for name, _ in found if name in tracked}
                write_list(partial, source, listed)
                return counted(len(listed), "listed file")
            pack(images, found)
        elif is_tar(source):
            left_out: dict[str, list[str]] = {}
            pack(images, tar_files(source, left_out))
            for line in describe_left_out(left_out):
                print(f"fetch: {line}")
        elif zipfile.is_zipfile(source):
            with open_archive(source):  # raises InputError if the archive is incomplete
                copy_file(source, images)
        else:
            raise _no_source(source)
        return f"{images.stat().st_size:,} bytes"


def _no_source(source: Path) -> InputError:
    problem = "is neither a file nor a folder" if source.exists() else "does not exist"
    if found := what_is(source) if source.is_file() else pointer_at(source):
        problem = f"is {found}"
    elif source.is_file():
        with open_binary(source) as file:
            problem = f"begins with {file.read(40)!r}"
    return InputError(
        "fetch.source: expected a path to a folder, zip or tar, or to a .yaml with the url of an "
        f"archive. Received: {str(source)!r}, which {problem}."
    )


def describe_file_changes(
    before: Mapping[str, object], after: Mapping[str, object], earlier: str
) -> Iterator[str]:
    """Yield text such as "9 fewer files than in the last commit: 5 in cat, 4 in dog".

    `earlier` describes where `before` comes from, such as "the last commit".

    Both mappings have file names as keys, and values that identify the content. A file counts as
    unchanged if its name stays the same, or if a file in the same folder has the same content.
    """
    gone = Counter(_folder_and_content(before, before.keys() - after.keys()))
    new = Counter(_folder_and_content(after, after.keys() - before.keys()))
    for files, kind in ((gone - new, "fewer"), (new - gone, "more")):
        folders = Counter(folder for folder, _ in files.elements())
        if number := folders.total():
            names = name_some(f"{count:,} in {folder}" for folder, count in folders.most_common())
            yield f"{number:,} {kind} file{'s' if number > 1 else ''} than in {earlier}: {names}"


def _folder_and_content(
    contents: Mapping[str, object], names: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        folder = PurePosixPath(name).parent.as_posix()
        yield ("(no folder)" if folder == "." else folder), str(contents[name])
