"""Sheets: pages of photos in one HTML file, which needs no other."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

from pawprint.evaluation.review import rank
from pawprint.files import write_text
from pawprint.images.archive import Archive, UnusableImageError, read_member
from pawprint.images.decoder import decode
from pawprint.reports.pages import SHEET, data_uri, fill
from pawprint.revisions import open_images
from pawprint.serving.photos import read_again
from pawprint.tables import spread

SIDE = 320  # pixels of a photo, at most; twice those shown, for sharp screens
MAX_PHOTOS = 48  # of each kind of change


class Photo(NamedTuple):
    """A photo as `embedded` returns it, or "" without one; its label, and text after that."""

    picture: str
    path: str
    label: str
    text: str


def embedded(image: Image.Image) -> str:
    """A data URI of the image, which is reduced in place."""
    image.thumbnail((SIDE, SIDE))
    return data_uri(image)


def write_sheet(
    path: Path, title: str, groups: dict[str, list[Photo]], counts: pd.DataFrame | None = None
) -> None:
    """Write the photos below their headings, after a table of counts, whose index has classes."""
    write_text(path, fill(SHEET, title=title, groups=groups, counts=counts))


def write_changes(
    path: Path, changes: pd.DataFrame, counts: pd.DataFrame, old: str, new: str
) -> None:
    """Write a page with the counts, and photos of each kind of change at equal distances.

    The photo of what is lost is that of the old revision. A rejected file may have none.
    """
    numbers = changes["kind"].value_counts()
    kinds = changes.groupby("kind", sort=False)
    shown = pd.concat([spread(rows, MAX_PHOTOS) for _, rows in kinds])
    is_lost = (shown["before"] != "") & (shown["after"] == "")
    pictures = {}
    for rev, names in ((old, shown["path"][is_lost]), (new, shown["path"][~is_lost])):
        if len(names):
            with open_images(rev) as archive:
                pictures |= {key: picture_of(archive, name) for key, name in names.items()}
    groups: dict[str, list[Photo]] = {}
    for kind, rows in shown.groupby("kind", sort=False):
        photos = groups[f"{kind} ({len(rows):,} of {numbers[kind]:,})"] = []
        for row in rows.itertuples():
            label = " → ".join(filter(None, (row.before, row.after)))
            photos.append(Photo(pictures[row.Index], row.path, label, row.reason))
    title = f"Images of {new}, compared with {old}"
    write_sheet(path, title, groups, counts)


def picture_of(archive: Archive, name: str) -> str:
    """A member of the archive, embedded, or "" if it cannot be decoded."""
    try:
        return embedded(decode(read_member(archive, name)))
    except (KeyError, UnusableImageError):
        return ""


def write_suggestions(path: Path, ranked: list[tuple[Path, dict]]) -> None:
    """Write a page with the photos of the images to label first."""
    photos = []
    for image, row in ranked:
        if row["error"]:
            continue
        picture = embedded(read_again(image, row["path"]))
        probability = row["probabilities"].get(row["label"])  # none of unknown
        text = "" if probability is None else f"{probability:.1%}"
        photos.append(Photo(picture, row["path"], row["label"], text))
    write_sheet(path, "Images to label first", {"": photos})


def write_errors(path: Path, folder: Path, predictions: pd.DataFrame) -> None:
    """Write a page with the most confident errors, of a table PREDICTIONS of photos in a folder."""
    ranked = rank(predictions)
    photos = [
        Photo(
            embedded(read_again(folder / row.path, row.path)),
            row.path,
            f"{row.actual} → {row.predicted}",
            f"{row.confidence:.1%}",
        )
        for row in ranked[ranked["wrong"]].head(MAX_PHOTOS).itertuples()
    ]
    write_sheet(path, "The most confident errors", {"": photos})
