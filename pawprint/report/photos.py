"""Draw photo grids, and those that show the data before training.

charts.py draws the photos of the results, so that `split` does not follow it.
"""

import itertools
from collections.abc import Callable, Iterable
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
from pawprint.report.drawing import GREY, render, shorten, use_fonts

PHOTOS_PER_ROW = 6
PHOTO_SIZE = (224, 224)  # photo size in the grid, in pixels
CELL_WIDTH = 232  # in pixels
CELL_HEIGHT = 292
TITLE_HEIGHT = 40
MARGIN = 4
MAX_TITLE = 22  # maximum characters per title line
# Maximum number of photos per figure.
SAMPLES = 18
MAX_NEAR_DUPLICATES = 24
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


def reader(archive: Archive, name: str) -> Callable[[], Image.Image]:
    """Return a function that reads a photo, in about the size of a cell."""
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
    return draw_first(archive, "Training images", rows, len(train), titles)


def draw_near_duplicates(archive: Archive, near_duplicates: pd.DataFrame) -> Image.Image:
    """Draw the first images in the NEAR_DUPLICATES table, with group number, label and split."""
    groups = near_duplicates["group"].factorize()[0] + 1
    rows = near_duplicates.assign(group=groups).head(MAX_NEAR_DUPLICATES)
    titles = [f"group {row.group}\n{row.label}, {row.split}" for row in rows.itertuples()]
    return draw_first(archive, "Near-duplicates", rows, len(near_duplicates), titles)


def draw_unusual(archive: Archive, found: pd.DataFrame) -> Image.Image:
    """Draw the first images from `find_unusual`, with their places and how they look."""
    rows = found.head(UNUSUAL)
    titles = [f"{name_in_folder(row.path)}\n{row.looks}" for row in rows.itertuples()]
    return draw_first(archive, "Unusual images", rows, len(found), titles)


def draw_first(
    archive: Archive,
    heading: str,
    rows: pd.DataFrame,
    total: int,
    titles: Iterable[str],
    colour: str = GREY,
) -> Image.Image:
    """Draw these of `total` images, each with its title."""
    readers = (reader(archive, path) for path in rows["path"])
    cells = zip(readers, titles, itertools.repeat(colour))
    return photo_grid({f"{heading} ({len(rows):,} of {total:,})": cells})
