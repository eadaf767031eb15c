"""Sheets: pages of photos in one HTML file, which needs no other."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pawprint.evaluation.review import rank
from pawprint.files import write_text
from pawprint.reports.pages import SHEET, data_uri, fill
from pawprint.serving.predictor import read_again

SIDE = 320  # pixels of a photo, at most; twice those shown, for sharp screens
MAX_ERRORS = 48


def write_sheet(path: Path, title: str, photos: Iterable[tuple[Path, str, str, str]]) -> None:
    """Write a page with photos: of each the file, its name, its label, and text after that."""
    shown = []
    for file, *texts in photos:
        image = read_again(file, texts[0])
        image.thumbnail((SIDE, SIDE))
        shown.append((data_uri(image), *texts))
    write_text(path, fill(SHEET, title=title, photos=shown))


def write_suggestions(path: Path, ranked: list[tuple[Path, dict]]) -> None:
    """Write a page with the photos of the images to label first."""
    photos = []
    for file, row in ranked:
        if not row["error"]:
            probability = row["probabilities"].get(row["label"])  # none of unknown
            text = "" if probability is None else f"{probability:.1%}"
            photos.append((file, row["path"], row["label"], text))
    write_sheet(path, "Images to label first", photos)


def write_errors(path: Path, folder: Path, predictions: pd.DataFrame) -> None:
    """Write a page with the most confident errors, of a table PREDICTIONS of photos in a folder."""
    ranked = rank(predictions)
    photos = (
        (folder / row.path, row.path, f"{row.actual} → {row.predicted}", f"{row.confidence:.1%}")
        for row in ranked[ranked["wrong"]].head(MAX_ERRORS).itertuples()
    )
    write_sheet(path, "The most confident errors", photos)
