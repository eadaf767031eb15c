"""What `fetch.watch` has to be, so that DVC notices changed images."""

import os
from pathlib import Path

from pawprint.core.errors import InputError
from pawprint.dataset.download import in_project, is_web, local_path
from pawprint.dataset.source_table import is_table

UNWATCHED = "stages/fetch.py"  # on which fetch depends in any case


def require_watched(sources: list[str], watch: str) -> None:
    """Raise InputError unless DVC hashes `watch` for `sources`: see `fetch.watch`.

    A local source must be watched itself. For a table of labels, `watch` is its folder, and for a
    list of archives the folder that holds all local ones, because DVC takes one path only. That
    folder must not contain the project, which DVC refuses: then the images must move. A web URL
    must not be watched, because DVC would ask the server in each `dvc repro`; without a local
    source, `watch` is UNWATCHED. `locate` reports a source that does not exist.
    """
    try:
        local = [local_path(source) for source in sources if not is_web(source)]
        if not local:
            expected, why = UNWATCHED, "because fetch.source is a URL"
        elif sources[1:]:
            folders = [in_project(path).resolve().parent for path in local]
            expected = Path(os.path.commonpath(folders)).as_posix()
            if not any(Path(path).is_absolute() for path in local):
                expected = Path(os.path.relpath(expected, in_project(""))).as_posix()
            why = "the folder of the archives in fetch.source, so that DVC notices when one changes"
        elif is_table(Path(local[0])) and in_project(local[0]).is_file():
            expected = Path(local[0]).parent.as_posix()
            why = "the folder of fetch.source, so that DVC notices when its images change"
        else:
            expected = local[0]
            why = "the path of fetch.source, so that DVC notices when its files change"
        path = in_project(expected)
        is_around = path.is_dir() and in_project("").resolve().is_relative_to(path.resolve())
        is_other = path.exists() and path.resolve() != in_project(watch).resolve()
    except (OSError, ValueError):  # for a name that no system can hold, or half an address
        return
    if is_around:  # DVC would watch what stages write
        raise InputError(
            "fetch.source: expected images in a folder that does not contain the project. "
            f"Received: {', '.join(map(repr, sources))}. Move the images, and their table if there "
            "is one, into a folder of their own."
        )
    if is_other:
        raise InputError(
            f"fetch.watch: expected {expected}, {why}. Received: {watch!r}. Set fetch.watch to "
            f"{expected!r}."
        )
