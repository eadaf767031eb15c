"""The place of each class in a folder for labelled images, where `dvc repro` finds its label."""

from pathlib import Path
from unicodedata import normalize

from pawprint.dataset.layouts import FILE_NAME, SPLIT_OF_FOLDER
from pawprint.errors import InputError, printable

SHOWN = 5  # names in a message
# Of each class the folder of its images, and the label that they get in the metadata.csv there, or
# None if the folder gives the class.
Places = dict[str, tuple[Path, str | None]]


def places_in(folder: Path, names: dict[str, list[str]], source: Path) -> Places:
    """The places of each class in a folder, which need not exist.

    `names` has the folders of each class, which stand for labels in a metadata.csv. In the folder
    of a class that has a folder of the training split, that is the place. Raises InputError for a
    folder of other files, and for one in `source` of which it would not be clear what gives the
    labels: a folder with and without a metadata.csv in each other.
    """
    is_inside = source.is_dir() and folder.resolve().is_relative_to(source.resolve())
    has_rows = is_inside and (source / FILE_NAME).exists()
    files = [each for each in folder.iterdir() if each.name[0] != "."] if folder.exists() else []
    places: Places = {label: (folder, names[label][0]) for label in names}
    if folder / FILE_NAME not in files:
        folders = {normalize("NFC", each.name).lower(): each for each in files if each.is_dir()}
        found = {
            label: folders[name.lower()]
            for label in names
            for name in names[label]
            if name.lower() in folders
        }
        if len(found) == len(names) and not has_rows:
            places = {label: (_for_training(found[label]) or found[label], None) for label in names}
        elif files or is_inside:
            give = source if has_rows else folder_for_training(folder)
            listed = ", ".join(sorted(each.name for each in files)[:SHOWN])
            raise InputError(
                printable(
                    f"{folder}: expected a folder with a {FILE_NAME}, one with a subfolder for "
                    f"each of {', '.join(names)}, or a new one outside of fetch.source. Received: "
                    f"{f'one with {listed}' if files else 'a new one in it'}."
                    + (f" Give {give}." if give else "")
                )
            )
    return places


def folder_for_training(folder: Path) -> Path | None:
    """The folder of the training split in a folder, if there is one that may hold classes."""
    inner = _for_training(folder) if folder.is_dir() else None
    if inner is None or (folder / FILE_NAME).exists():
        return None
    is_place = (inner / FILE_NAME).exists() or any(each.is_dir() for each in inner.iterdir())
    return inner if is_place else None


def _for_training(folder: Path) -> Path | None:
    found = (each for each in sorted(folder.iterdir()) if each.is_dir())
    return next((each for each in found if SPLIT_OF_FOLDER.get(each.name.lower()) == "train"), None)
