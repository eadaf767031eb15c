"""Fetch the images as zip archives; nothing is unpacked.

Reads `fetch.source`: a folder with one subfolder per class, a zip or a tar of such a folder, a URL
of one, a list of archives and URLs, or a CSV or TSV that lists paths and labels. Params: `fetch`.
Writes data/raw/archives/: images.zip, or images-001.zip and so on for a list or a large folder, and
for a CSV or TSV the labels in table.csv. Run: `python -m stages.fetch`
"""

import shutil
import zipfile
from pathlib import Path

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.errors import InputError
from pawprint.core.files import pack, replacing
from pawprint.core.params.fetch import Fetch
from pawprint.core.sources import without_secrets
from pawprint.core.tables import SOURCE_TABLE, write_table
from pawprint.dataset.download import locate, verify
from pawprint.dataset.packing import MAX_FILES, contents, folder_files, parts_of
from pawprint.dataset.source_table import is_table, read_source_table, table_files
from pawprint.dataset.tar import is_tar, tar_files
from pawprint.dataset.watching import require_watched

IMAGES, TABLE = paths.RAW_IMAGES.name, paths.RAW_TABLE.name


def fetch(sources: list[str], hashes: list[str | None], folder: Path) -> None:
    """Write the archives of images to the folder and, if the source is a table, its rows.

    A zip is copied; other sources are packed, with the same bytes every time. A hash is the SHA-256
    of a zip or tar as it is, and of the packed zip for a folder or a table. Raises InputError if a
    source is missing or none of these, if one of several is not an archive, and for another
    SHA-256 than the one given.
    """
    places = [f".{number}" for number in range(len(sources))] if sources[1:] else [""]
    found = [
        locate(source, sha256, f"fetch.source{place}", _is_archive)
        for source, sha256, place in zip(sources, hashes, places)
    ]
    with replacing(folder) as partial:
        partial.mkdir()
        if sources[1:] or _is_archive(found[0]):
            targets = _targets(partial, len(found))
            for path, sha256, place, target in zip(found, hashes, places, targets):
                verify(path, sha256, f"fetch.sha256{place}")
                _store(path, f"fetch.source{place}", target)
        else:
            _pack_files(found[0], hashes[0], partial)


def _store(path: Path, key: str, target: Path) -> None:
    if is_tar(path):
        pack(target, tar_files(path))
    elif _is_archive(path):
        shutil.copyfile(path, target)
    else:
        raise InputError(
            f"{key}: expected a zip or a tar, or a URL of one, in a list. Received: {path}, "
            "which is none of them."
        )


def _pack_files(source: Path, sha256: str | None, folder: Path) -> None:
    if source.is_dir():
        files = folder_files(source)
    elif is_table(source):
        table = read_source_table(source)
        files = table_files(source, table)
        write_table(folder / TABLE, table, SOURCE_TABLE)
    else:
        raise InputError(
            "fetch.source: expected a folder, a zip, a tar, or a .csv or .tsv of path,label. "
            f"Received: {source}, which is none of them."
        )
    parts = parts_of(files)
    if sha256 and parts[1:]:
        raise InputError(
            f"fetch.sha256: expected null for more than {MAX_FILES:,} files, which are packed into "
            f"several archives. Received: {sha256} for {len(files):,} files."
        )
    for part, target in zip(parts, _targets(folder, len(parts))):
        pack(target, contents(part))
        verify(target, sha256, "fetch.sha256")


def _targets(folder: Path, archives: int) -> list[Path]:
    one = folder / IMAGES
    if archives == 1:
        return [one]
    return [one.with_stem(f"{one.stem}-{number:03}") for number in range(1, archives + 1)]


def _is_archive(path: Path | str) -> bool:
    return is_tar(path) or zipfile.is_zipfile(path)


def main() -> None:
    params = Fetch.load()
    sources = params.source
    require_watched(sources, params.watch)
    fetch(sources, params.sha256, paths.RAW_ARCHIVES)
    size = sum(path.stat().st_size for path in paths.RAW_ARCHIVES.glob("*.zip"))
    print(f"fetch: {size:,} bytes from {', '.join(map(without_secrets, sources))}")


if __name__ == "__main__":
    run_stage(main)
