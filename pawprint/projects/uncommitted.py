"""Describe a project's uncommitted changes, and find the stages that they affect."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pawprint import paths
from pawprint.files import read_text
from pawprint.git import git
from pawprint.params.changes import describe_param_changes
from pawprint.params.data import Fetch
from pawprint.params.file import flat
from pawprint.pipeline.dvc import find_changed_files, find_stages_to_run
from pawprint.projects.discard import TABLES, has_commit


def find_uncommitted(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the changes since the last commit, in words, and the stages that DVC would run.

    First come the changes that Discard would keep, then those that it would revert. Later stages
    also run if their inputs change. Raises InputError.
    """
    stages = find_stages_to_run(folder)
    if not has_commit(folder):
        return [], [], stages
    source = Fetch.load(path=folder / paths.PARAMS).source
    photos = find_changed_files(folder, source) if (folder / f"{source}.dvc").exists() else {}
    before = flat(git("show", f"HEAD:./{paths.PARAMS}", folder=folder))
    params = describe_param_changes(before, flat(read_text(folder / paths.PARAMS)))
    lost = [*_lines(folder, paths.PIPELINE, paths.REQUIREMENTS), *params]
    return [*_photos(photos), *_lines(folder, *TABLES)], lost, stages


def _photos(files: dict[str, list[str]]) -> Iterable[str]:
    """Yield lines such as "12 photos of cat added", given changed paths keyed by kind."""
    for kind in ("added", "deleted", "modified", "renamed"):
        names = files.get(kind, ())
        folders = Counter(PurePosixPath(name).parent.name for name in names if name[-1] != "/")
        for folder, number in sorted(folders.items()):
            noun = "photo" if number == 1 else "photos"
            yield f"{number:,} {noun} of {folder} {kind}"


def _lines(folder: Path, *files: Path) -> Iterable[str]:
    """Yield lines such as "labels.csv, lines changed: 3", for text files."""
    for line in git(
        "diff", "--numstat", "HEAD", "--", *map(str, files), folder=folder
    ).splitlines():
        added, removed, name = line.split("\t")
        is_text = added != "-"  # Git treats UTF-16 as binary
        yield f"{name}, lines changed: {max(int(added), int(removed))}" if is_text else name
