"""Photos with what the model predicts: a sample, errors, labels that are likely wrong."""

from collections.abc import Iterator
from pathlib import PurePosixPath

import pandas as pd
from matplotlib.figure import Figure

from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image
from pawprint.reports.figures import BLUE, RED, shorten
from pawprint.reports.photo_grid import Cell, photo_grid, spread
from pawprint.reports.ranking import rank, with_confidence

MAX_LABEL = 16  # characters of a label before a probability


def draw_predictions(archive: Archive, predictions: pd.DataFrame, number: int) -> Figure:
    """Images at equal distances in the table PREDICTIONS: the same images for every model."""
    shown = spread(with_confidence(predictions), number)
    title = f"Test images ({len(shown):,} of {len(predictions):,})"
    return photo_grid({title: _cells(archive, shown)})


def draw_errors(archive: Archive, predictions: pd.DataFrame, number: int) -> Figure:
    """The most confident errors, and the least confident of the other predictions.

    `predictions` is a table PREDICTIONS; at most `number` images of each kind are shown. The
    confidence is the probability of the predicted label.
    """
    ranked = rank(predictions)
    wrong = ranked[ranked["wrong"]]
    errors = wrong.head(number)
    rest = ranked.drop(errors.index).sort_values("confidence", kind="stable")
    unsure = rest.head(number)
    of_errors = f"Most confident errors ({len(errors):,} of {len(wrong):,})"
    of_unsure = f"Least confident other predictions ({len(unsure):,} of {len(rest):,})"
    return photo_grid({of_errors: _cells(archive, errors), of_unsure: _cells(archive, unsure)})


def draw_likely_wrong_labels(archive: Archive, listed: pd.DataFrame, number: int) -> Figure:
    """The first images of the table LIKELY_WRONG_LABELS: file name, label, its probability, likely.

    The likely label is the most probable other one.
    """
    shown = listed.head(number)

    def cells():
        for row in shown.itertuples():
            name, label = PurePosixPath(row.path).name, shorten(row.label, MAX_LABEL)
            title = f"{name}\n{label} {row.probability:.1%}\nlikely {row.likely}"
            yield open_image(archive, row.path), title, RED

    title = f"Labels that are likely wrong ({len(shown):,} of {len(listed):,})"
    return photo_grid({title: cells()})


def _cells(archive: Archive, predictions: pd.DataFrame) -> Iterator[Cell]:
    for row in predictions.itertuples():
        is_right = row.actual == row.predicted
        title = f"{shorten(row.predicted, MAX_LABEL)} {row.confidence:.0%}"
        title += "" if is_right else f"\n✗ label: {row.actual}"
        yield open_image(archive, row.path), title, BLUE if is_right else RED
