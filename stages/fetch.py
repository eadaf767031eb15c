"""Import the images, so that all later stages work on the same ones.

Reads `fetch.source`: a folder with one subfolder per class, a zip or a tar of such a folder, or a
YAML file with the URL of an archive. Params: `fetch`. Writes data/raw/archives/: images.zip, or
files.json with the files of a folder that DVC tracks and their MD5. Later stages read them there.
Prints how many files were added and removed since the last commit, according to Git and DVC's
cache. Run: `python -m stages.fetch`
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pawprint.base import paths
from pawprint.base.errors import InputError, without_secrets
from pawprint.base.git import try_git
from pawprint.data.sources import describe_file_changes, fetch
from pawprint.given.archive import LIST, ZIP, contents, open_archive
from pawprint.pipeline.dvc import tracked_files
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.data import Fetch
from pawprint.pipeline.recorded import Recorded, find_import, md5_in


def main() -> None:
    """Write the archives and print what changed since the last commit."""
    source = Path(Fetch.load().source)
    if found := find_import(source):
        imported, url = found
        print(
            f"fetch: {imported} is a `dvc import`. DVC never pushes your changes to it, and a "
            f"clone would then get no photos at all. Change photos in {without_secrets(url)}, or "
            f"make them this project's own: `dvc remove {imported}.dvc`, then `dvc add {imported}`"
        )
    tracked = tracked_files(source) if source.is_dir() else None
    brought = fetch(source, paths.RAW_ARCHIVES, tracked)
    print(f"fetch: {brought} from {source}")
    try:
        report("fetch", describe_changed_files(source, tracked))
    except InputError as error:  # raised if the repository belongs to another user
        print(f"fetch: not compared with the last commit: {error}")


def describe_changed_files(source: Path, tracked: dict[str, str] | None) -> Iterator[str]:
    """Return lines about files added and removed since the last commit, or since the last run.

    Files that DVC tracks are compared with the list in the commit's .dvc file, all others with the
    output of `fetch`. If DVC's cache lacks these, no lines are returned.
    """
    lock = try_git("show", f"HEAD:./{paths.LOCK}")
    recorded = Recorded(lock)
    when = "the last commit"
    dvc_file = try_git("show", f"HEAD:./{source.as_posix()}.dvc")
    before: Mapping[str, object] = recorded.files(md5_in(dvc_file or ""))
    if not before or tracked is None:
        before = recorded_contents(recorded)
        tracked = contents_at(paths.RAW_ARCHIVES)
        when = "the last run" if lock is None else when
    return describe_file_changes(before, tracked, when) if before and tracked else iter(())


def recorded_contents(recorded: Recorded) -> dict[str, str]:
    """Return `contents_at` of the recorded result of `fetch`; {} if DVC's cache lacks it."""
    files = recorded.files(recorded.hash_of("fetch", paths.RAW_ARCHIVES))
    match recorded.json(files.get(LIST)):
        case [str(), dict(md5s)]:
            return md5s
    with contextlib.suppress(ValueError):
        return contents_at(recorded.file(files.get(ZIP)))
    return {}


def contents_at(path: Path) -> dict[str, str]:
    """Return `contents` of an archive; {} if it cannot be read, which `clean` explains."""
    with contextlib.suppress(InputError), open_archive(path) as archive:
        return contents(archive)
    return {}


if __name__ == "__main__":
    run_stage(main)
