"""The style of all pictures, and saving them."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws to files; needs no window

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pawprint.core.files import replacing

# Okabe and Ito's colours, which colour-blind readers can tell apart: https://jfly.uni-koeln.de/color/
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#666666"

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
    "text.parse_math": False,  # file names and labels may contain $
}


def use_style() -> None:
    """Set matplotlib's defaults and then STYLE, whatever the user's matplotlibrc says."""
    matplotlib.rcdefaults()
    plt.rcParams.update(STYLE)


def new_figure(
    columns: int = 1, rows: int = 1, width: float = 6, height: float = 4
) -> tuple[Figure, list[Axes]]:
    """A figure with its axes, row by row; `width` and `height` in inches."""
    use_style()
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    return figure, list(axes.flat)


def shorten(text: str, length: int) -> str:
    """The text, with "…" in place of its middle if it has more than `length` characters."""
    half = length // 2
    return text if len(text) <= length else f"{text[: length - half - 1]}…{text[-half:]}"


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, the same bytes for the same picture, and close the figure."""
    with replacing(path) as partial:
        figure.savefig(partial, metadata={"Software": None})
    plt.close(figure)
