"""Draw curves as SVG, in the colours of the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from pawprint.base.columns import TRAIN
from pawprint.base.files import read_text, write_text
from pawprint.base.folds import FOLDS
from pawprint.base.imbalance import HEADLINES
from pawprint.report import templates
from pawprint.scores.intervals import fraction_interval, independent_images
from pawprint.scores.results import Results

STYLE = Path(templates.__file__).with_name("chart.css")
WIDTH, HEIGHT = 240, 120  # of the drawn area
LEAST = 0.1  # height of an axis of fractions, so that noise looks like noise
Point = tuple[float, float]
Bar = tuple[float, float, float]


class Figure(NamedTuple):
    """A chart with a title and a sentence."""

    title: str
    text: str
    drawing: Markup

    def write(self, path: Path) -> None:
        """Write the chart as a file with the page's colours."""
        style = Markup("<style>{}</style></svg>").format(Markup(read_text(STYLE)))
        write_text(path, self.drawing.replace("</svg>", style))


class Chart(NamedTuple):
    """A chart of lines, with CSS classes. Points have an x in [0, 1] and a y between the `ends`.

    `ticks` are texts below an x. `bars` are intervals: an x
    and two ends. `dots` are points and areas, as fractions of all.
    """

    ends: Point
    ticks: Sequence[tuple[float, str]]
    lines: Sequence[tuple[str, Sequence[Point]]] = ()
    bars: Sequence[Bar] = ()
    dots: Sequence[Bar] = ()

    def place(self, x: float, value: float) -> Point:
        """Return where a point is drawn."""
        low, high = self.ends
        return round(WIDTH * x, 1), round(HEIGHT * (high - value) / (high - low), 1)

    def path(self, kind: str, *points: Point) -> Markup:
        """Return a line through these points."""
        steps = "L".join("{},{}".format(*self.place(*point)) for point in points)
        return Markup('<path class="{}" d="M{}"/>').format(kind, steps)

    def draw(self) -> Markup:
        """Return the chart as an SVG."""
        parts = [self.path("axis", (0, end), (1, end)) for end in self.ends]
        parts += [self.path("interval", (x, start), (x, end)) for x, start, end in self.bars]
        parts += [self.path(kind, *points) for kind, points in self.lines]
        for x, value, area in self.dots:
            circle = Markup('<circle class="dot" cx="{}" cy="{}" r="{:.1f}"/>')
            parts.append(circle.format(*self.place(x, value), 3 + 9 * area**0.5))
        text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
        for end in self.ends:
            parts.append(text.format(-14, self.place(0, end)[1] + 4, "end", f"{end:.0%}"))
        for x, tick in self.ticks:
            anchor = "end" if x == 1 else "middle"
            parts.append(text.format(WIDTH * x, HEIGHT + 18, anchor, tick))
        box = f"-50 -12 {WIDTH + 64} {HEIGHT + 36}"
        start = Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="{}">').format(box)
        return start + Markup("").join(parts) + Markup("</svg>")


def _even(values: pd.Series) -> list[Point]:
    """Return points at even distances."""
    return [(number / max(len(values) - 1, 1), value) for number, value in enumerate(values)]


def _fractions(lowest: float) -> Point:
    """Return the ends of an axis of fractions up to 1: a multiple of LEAST high."""
    return max(0.0, 1 - LEAST * (1 + (1 - lowest) // LEAST)), 1.0


def curve_intervals(run: Results) -> list[Point]:
    """Return the interval of each accuracy in the learning curve; images in a group count as one.

    All fits predict about the same images, of which each fold leaves a fifth out.
    """
    groups = run.images.loc[run.images["split"] == TRAIN, "group"].to_numpy()
    images = max(run.curve["images"]) / (1 - 1 / FOLDS)
    independent = max(1, round(images * independent_images(groups) / len(groups)))
    rights = [round(accuracy * independent) for accuracy in run.curve["accuracy"]]
    return [fraction_interval(min(right, independent), independent) for right in rights]


def draw_learning_curve(run: Results) -> Figure:
    """Draw the cross-validated accuracy by the number of photos in a fit, with intervals."""
    points = _even(run.curve["accuracy"])
    bars = [(x, *ends) for (x, _), ends in zip(points, curve_intervals(run))]
    ticks = [(x, f"{images:,}") for (x, _), images in zip(points, run.curve["images"])]
    ticks[-1] = (1, f"{ticks[-1][1]} photos")
    ends = _fractions(min(low for _, low, _ in bars))
    right = HEADLINES["accuracy" if run.exclusive else "exact"].capitalize()
    text = (
        f"{right}{' of a logistic regression' * run.in_epochs} in cross-validation of the training "
        f"photos, with intervals: {points[-1][1]:.1%} with the most."
    )
    drawing = Chart(ends, ticks, [("line", points)], bars).draw()
    return Figure("More photos", text, drawing)


def draw_reliability(run: Results) -> Figure:
    """Draw the observed fraction by the predicted probability on test photos.

    The area of a dot grows with the number of photos in its bin.
    """
    bins = run.reliability[run.reliability["split"] == "test"]
    x = bins["probability"]
    bars = [*zip(x, bins["low"], bins["high"])]
    dots = [*zip(x, bins["fraction"], bins["images"] / bins["images"].sum())]
    lines = [("mark", [(0.0, 0.0), (1.0, 1.0)])]
    drawing = Chart((0, 1), [(0, "0%"), (1, "100% probability")], lines, bars, dots).draw()
    label = run.reliability["label"].iloc[0]
    text = (
        f"Observed fraction by the probability of {label} on test photos, with intervals; a dot's "
        "area grows with its photos. Calibrated probabilities lie on the dashed line."
    )
    return Figure("Probabilities", text, drawing)
