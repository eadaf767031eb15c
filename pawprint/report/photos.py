"""Draw photo grids: the data before training, the views of a photo, and predictions."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from pawprint.base.errors import name_in_folder
from pawprint.base.tables import spread
from pawprint.base.threads import map_in_threads
from pawprint.data.archive import Archive
from pawprint.data.decoding.jpeg import decoded_side
from pawprint.data.reading import open_image
from pawprint.report.drawing import BLUE, GREY, RED, render, shorten, use_fonts
from pawprint.scores.prediction_table import rank_predictions, with_confidence

PHOTOS_PER_ROW = 6
PHOTO_SIZE = (224, 224)  # photo size in the grid, in pixels
CELL_WIDTH = 232  # in pixels
CELL_HEIGHT = 292
TITLE_HEIGHT = 40
MARGIN = 4
MAX_TITLE = 22  # maximum characters per title line
MAX_LABEL = 16  # maximum length of a label in front of a probability
# Maximum number of photos per figure.
SAMPLES = 18
MAX_NEAR_DUPLICATES = 24
PREDICTIONS = 24
ERRORS_SHOWN = 12  # number of errors, and of unconfident correct predictions
MAX_TO_REVIEW = 24
UNUSUAL = 12

# A function that reads an RGB photo of any size; a title of up to three lines; the title's colour.
Cell = tuple[Callable[[], Image.Image], str, str]


def photo_grid(sections: dict[str, Iterable[Cell]]) -> Image.Image:
    """Draw whole photos in equal squares. Each section starts a new row under its own title.

    Photos are read by several threads and immediately reduced to PHOTO_SIZE, which saves memory.
    """
    cells = {title: list(map_in_threads(_fit, section)) for title, section in sections.items()}
    use_fonts(name for section in cells.values() for _, name, _ in section)
    rows = sum(-(-len(section) // PHOTOS_PER_ROW) for section in cells.values())
    width = CELL_WIDTH * PHOTOS_PER_ROW
    height = CELL_HEIGHT * rows + TITLE_HEIGHT * len(cells)
    figure = Figure(figsize=np.divide((width, height), rcParams["figure.dpi"]))
    figure.set_layout_engine("none")
    placed = []
    top = 0
    for title, section in cells.items():
        y = 1 - (top + TITLE_HEIGHT / 2) / height
        figure.text(MARGIN / width, y, title, va="center", fontsize=11)
        top += TITLE_HEIGHT
        for number, (photo, name, colour) in enumerate(section):
            row, column = divmod(number, PHOTOS_PER_ROW)
            left = CELL_WIDTH * column + MARGIN
            upper = top + CELL_HEIGHT * (row + 1) - MARGIN - photo.height
            placed.append((photo, (left, upper)))
            x = (left + photo.width // 2) / width
            y = 1 - (upper - MARGIN) / height
            figure.text(x, y, name, ha="center", color=colour, fontsize=9)
        top += CELL_HEIGHT * -(-len(section) // PHOTOS_PER_ROW)
    picture = render(figure)
    for photo, place in placed:  # Matplotlib would resample every photo
        picture.paste(photo, place)
    return picture


def _fit(cell: Cell) -> tuple[Image.Image, str, str]:
    read, title, colour = cell
    lines = [shorten(line, MAX_TITLE) for line in title.split("\n")]
    return ImageOps.pad(read(), PHOTO_SIZE, color="#eeeeee"), "\n".join(lines), colour


def _reader(archive: Archive, name: str) -> Callable[[], Image.Image]:
    return partial(open_image, archive, name, decoded_side(max(PHOTO_SIZE)))


def samples(train: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return up to `number` rows from a SPLIT table, the same number per class if there are any."""
    if train.empty:  # labels are still missing
        return train
    per_class = max(1, number // train["label"].nunique())
    return spread(pd.concat(spread(rows, per_class) for _, rows in train.groupby("label")), number)


def draw_samples(archive: Archive, train: pd.DataFrame) -> Image.Image:
    """Draw evenly spaced training images from each class, with their label and size in pixels.

    `train` is a SPLIT table with the columns `width` and `height`.
    """
    rows = samples(train, SAMPLES)
    titles = [f"{row.label}\n{row.width}×{row.height}" for row in rows.itertuples()]
    return _draw_first(archive, "Training images", rows, len(train), titles)


def draw_near_duplicates(archive: Archive, near_duplicates: pd.DataFrame) -> Image.Image:
    """Draw the first images in the NEAR_DUPLICATES table, with group number, label and split."""
    groups = near_duplicates["group"].factorize()[0] + 1
    rows = near_duplicates.assign(group=groups).head(MAX_NEAR_DUPLICATES)
    titles = [f"group {row.group}\n{row.label}, {row.split}" for row in rows.itertuples()]
    return _draw_first(archive, "Near-duplicates", rows, len(near_duplicates), titles)


def draw_unusual(archive: Archive, found: pd.DataFrame) -> Image.Image:
    """Draw the first images from `find_unusual`, with their places and how they look."""
    rows = found.head(UNUSUAL)
    titles = [f"{name_in_folder(row.path)}\n{row.looks}" for row in rows.itertuples()]
    return _draw_first(archive, "Unusual images", rows, len(found), titles)


def _draw_first(
    archive: Archive,
    heading: str,
    rows: pd.DataFrame,
    total: int,
    titles: Iterable[str],
    colour: str = GREY,
) -> Image.Image:
    """Draw these of `total` images, each with its title."""
    readers = (_reader(archive, path) for path in rows["path"])
    cells = zip(readers, titles, itertools.repeat(colour))
    return photo_grid({f"{heading} ({len(rows):,} of {total:,})": cells})


def draw_predictions(archive: Archive, predictions: pd.DataFrame) -> Image.Image:
    """Draw evenly spaced images from the PROBABILITIES table, the same for every model."""
    rows = spread(with_confidence(predictions), PREDICTIONS)
    title = f"Test images ({len(rows):,} of {len(predictions):,})"
    return photo_grid({title: _cells(archive, rows)})


def draw_errors(archive: Archive, predictions: pd.DataFrame) -> Image.Image:
    """Draw the most confident errors and the least confident correct predictions.

    `predictions` is a PROBABILITIES table. Confidence is the predicted label's probability.
    """
    ranked = rank_predictions(predictions)
    wrong = ranked[ranked["wrong"]]
    errors = wrong.head(ERRORS_SHOWN)
    rest = ranked.drop(errors.index).sort_values("confidence", kind="stable")
    unsure = rest.head(ERRORS_SHOWN)
    first = f"Most confident errors ({len(errors):,} of {len(wrong):,})"
    second = f"Least confident other predictions ({len(unsure):,} of {len(rest):,})"
    return photo_grid({first: _cells(archive, errors), second: _cells(archive, unsure)})


def draw_labels_to_review(archive: Archive, suspects: pd.DataFrame) -> Image.Image:
    """Draw the first images in LABELS_TO_REVIEW: place, label, its probability and a reason.

    The reason is `likely`, the most probable other label, or a near-duplicate with a different
    label.
    """
    rows = suspects.head(MAX_TO_REVIEW)
    titles = []
    for row in rows.itertuples():
        label = shorten(row.label, MAX_LABEL)
        why = f"perhaps {row.likely}"
        if row.contradicts:
            why = f"≈ {name_in_folder(row.contradicts)}"
        titles.append(f"{name_in_folder(row.path)}\n{label} {row.probability:.1%}\n{why}")
    return _draw_first(archive, "Labels to review", rows, len(suspects), titles, RED)


def _cells(archive: Archive, predictions: pd.DataFrame) -> Iterator[Cell]:
    for row in predictions.itertuples():
        is_right = row.actual == row.predicted
        title = f"{shorten(row.predicted, MAX_LABEL)} {row.confidence:.0%}"
        title += "" if is_right else f"\n✗ label: {row.actual}"
        yield _reader(archive, row.path), title, BLUE if is_right else RED
