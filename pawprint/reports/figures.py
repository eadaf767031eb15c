"""One style for all pictures, in colours that the colour-blind can tell apart."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no window, whatever the machine's settings say

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from pawprint.core.files import replacing

# Okabe and Ito's palette, https://jfly.uni-koeln.de/color/
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#666666"

PHOTO_SIZE = (224, 224)  # pixels of a photo in a grid

STYLE = {
    "figure.dpi": 120,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 2,
    "legend.frameon": False,
}


def new_figure(columns: int = 1, width: float = 6, height: float = 4) -> tuple[Figure, list[Axes]]:
    """A figure with its axes in one row; `width` and `height` in inches."""
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, list(axes[0])


def photo_grid(
    photos: list[np.ndarray | None],
    titles: list[str],
    colours: list[str],
    title: str,
    columns: int,
) -> Figure:
    """Photos, each uint8 `(height, width, 3)`, whole in equal squares under coloured titles.

    None leaves a square empty.
    """
    plt.rcParams.update(STYLE)
    rows = max(-(-len(photos) // columns), 1)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(1.9 * columns, 2.15 * rows + 0.4),
        squeeze=False,
        subplot_kw={"xticks": [], "yticks": []},  # which would take as long as the photos
    )
    for cell in axes.flat:
        cell.axis("off")
    for cell, photo, name, colour in zip(axes.flat, photos, titles, colours):
        if photo is None:
            continue
        cell.imshow(ImageOps.pad(Image.fromarray(photo), PHOTO_SIZE, color="#eeeeee"))
        cell.set_title(name, fontsize=9, color=colour, loc="center")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG with the same bytes for the same picture."""
    with replacing(path) as partial:
        figure.savefig(partial, metadata={"Software": None})
    plt.close(figure)
