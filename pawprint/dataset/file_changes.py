"""Describe which files were added to the images and which were removed, by folder."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from pawprint.errors import name_some


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
