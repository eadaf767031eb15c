"""A grid of photos under titles."""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from pawprint.reports.figures import shorten, use_style

COLUMNS = 6
PHOTO_SIZE = (224, 224)  # pixels of a photo in the grid
CELL_WIDTH, CELL_HEIGHT, TITLE_HEIGHT = 1.9, 2.3, 0.4  # inches
MAX_TITLE = 22  # characters of a line of a title

# A photo of any size, RGB; its title, up to three lines; the colour of the title.
Cell = tuple[Image.Image, str, str]


def photo_grid(sections: dict[str, Iterable[Cell]]) -> Figure:
    """Photos, whole, in equal squares; each section starts a row under its own title.

    Each photo is reduced to PHOTO_SIZE as it comes: a generator of cells saves memory.
    """
    cells = {title: [_fit(*cell) for cell in section] for title, section in sections.items()}
    rows = [-(-len(section) // COLUMNS) for section in cells.values()]
    heights = [CELL_HEIGHT * number + TITLE_HEIGHT for number in rows]
    use_style()
    figure = plt.figure(figsize=(CELL_WIDTH * COLUMNS, sum(heights)))
    parts = figure.subfigures(len(cells), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, number, (title, section) in zip(parts, rows, cells.items()):
        part.suptitle(title, x=0.01, ha="left", fontsize=11)
        if not section:
            continue
        # Ticks would take as long to draw as the photos.
        grid = part.subplots(
            number, COLUMNS, squeeze=False, subplot_kw={"xticks": [], "yticks": []}
        )
        for axis in grid.flat:
            axis.axis("off")
        for axis, (photo, name, colour) in zip(grid.flat, section):
            axis.imshow(photo)
            axis.set_title(name, fontsize=9, color=colour, loc="center")
    return figure


def spread(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """At most `number` rows at equal distances, with the first and the last."""
    return rows.iloc[np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int)]


def _fit(photo: Image.Image, title: str, colour: str) -> Cell:
    lines = [shorten(line, MAX_TITLE) for line in title.split("\n")]
    return ImageOps.pad(photo, PHOTO_SIZE, color="#eeeeee"), "\n".join(lines), colour
