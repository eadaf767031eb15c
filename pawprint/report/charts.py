"""Draw learning curves, the scores of classes, and reliability diagrams.

Also draw photos with their predictions, and the views of a photo. `pawprint.base.columns` describes
the tables.
scikit-learn's displays are not used, because importing scikit-learn takes longer than drawing all
charts. Charts for many classes grow in height or leave out numbers, so that their text stays
legible.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from pawprint.base.columns import PREDICTED
from pawprint.base.errors import name_in_folder
from pawprint.base.paths import LABELS_TO_REVIEW_CSV
from pawprint.base.tables import spread
from pawprint.given.archive import Archive
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.given.reading import open_image
from pawprint.network.augmentation import draw_view
from pawprint.network.views import apply, resize
from pawprint.pipeline.params.data import Augment
from pawprint.pipeline.params.section import Resize
from pawprint.report.pictures import (
    GREY,
    MAX_TITLE,
    Cell,
    draw_first,
    photo_grid,
    reader,
    shorten,
    use_fonts,
)
from pawprint.scores.prediction_table import rank_predictions

# Okabe and Ito's colours, which colour-blind readers can tell apart:
# https://jfly.uni-koeln.de/color/
BLUE = "#0072B2"
ORANGE = "#E69F00"
RED = "#D55E00"
MAX_LABEL = 28  # maximum length of a label beside its bars
MAX_DRAWN = 100  # maximum number of classes
VIEWS = 12  # maximum number of augmented views in the picture
# Maximum number of photos per picture.
PREDICTIONS = 12
ERRORS_SHOWN = 12  # number of errors, and of unconfident correct predictions
MAX_TO_REVIEW = 24
MAX_TITLE_LABEL = 16  # maximum length of a label in front of a probability
NAME_END = 15  # characters kept at the end of a file's name, such as _0004.JPG-0.jpg


def draw_learning_curves(
    head: pd.DataFrame, finetune: pd.DataFrame, curve: pd.DataFrame, title: str
) -> Figure:
    """Draw accuracy and loss by epoch for both phases (HISTORY tables), and a LEARNING_CURVE.

    `title` is that of the score in the column `accuracy` of the latter. Fine-tuning continues the
    epoch count. A logistic regression head is drawn at epoch 0; without fine-tuning, epochs are
    left out.
    """
    before = max(head["epoch"], default=0)
    history = pd.concat([head, finetune.assign(epoch=finetune["epoch"] + before)])
    names = ("accuracy", "loss") if len(history) > 1 else ()
    figure = Figure(figsize=(4.5 * len(names) + 4.5, 3.6))
    axes = figure.subplots(1, len(names) + 1)
    *by_epoch, by_images = np.atleast_1d(axes)
    for axis, name in zip(by_epoch, names):
        series = {name: (BLUE, "training"), f"validation_{name}": (ORANGE, "validation")}
        for column, (colour, label) in series.items():
            axis.plot(history["epoch"], history[column], color=colour, label=label, marker=".")
        if len(head) and len(finetune):
            style = {"color": GREY, "linestyle": "--", "linewidth": 1.2}
            axis.axvline(before + 0.5, label="fine-tuning starts", **style)
        axis.set(title=name.capitalize(), xlabel="Epoch", ylabel=name.capitalize())
        axis.xaxis.get_major_locator().set_params(integer=True)
    by_images.plot(curve["images"], curve["accuracy"], color=BLUE, marker=".")
    if len(curve):
        by_images.set_xscale("log", base=2)
        by_images.set_xticks(curve["images"], [f"{images:,}" for images in curve["images"]])
        by_images.minorticks_off()
    by_images.set_ylim(top=min(by_images.get_ylim()[1], 1.005))  # a perfect curve is at the top
    by_images.set(title="Cross-validation", xlabel="Training images", ylabel=title.capitalize())
    if by_epoch:
        handles, labels = by_epoch[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def draw_classes(scores: pd.DataFrame, labels: list[str]) -> Figure:
    """Draw the recall and precision of each class or label on the test split, with their intervals.

    `scores` is a SCORES table. At most MAX_DRAWN classes are drawn: the ones with the lowest
    recall.
    """
    use_fonts(labels)
    of_labels = scores[(scores["split"] == "test") & scores["label"].isin(labels)]
    recalls = of_labels[of_labels["score"] == "recall"].set_index("label")["value"]
    worst = recalls.reindex(labels).sort_values(kind="stable").index[:MAX_DRAWN]
    names = [name for name in labels if name in worst][::-1]  # the first is at the top
    figure = Figure(figsize=(7.5, 1.6 + 0.4 * len(names)))
    axis = figure.subplots()
    for score, colour, offset in (("recall", BLUE, 0.2), ("precision", ORANGE, -0.2)):
        rows = of_labels[of_labels["score"] == score].set_index("label").reindex(names)
        places = np.arange(len(names)) + offset
        axis.barh(places, rows["value"].fillna(0), 0.36, color=colour, label=score)
        low, high = rows[["low", "high"]].astype(float).to_numpy().T
        axis.hlines(places, low, high, GREY, linewidth=1.5)
    for place, name in enumerate(names):
        if name not in recalls:
            axis.text(0.01, place, "no test photo", va="center", color=GREY, fontsize=9)
    axis.set_yticks(range(len(names)), [shorten(name, MAX_LABEL) for name in names])
    ends = (-0.6, len(names) - 0.4)
    axis.set(xlim=(0, 1), ylim=ends, xlabel="Fraction, with its interval")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    if len(labels) > MAX_DRAWN:
        title = f"The {MAX_DRAWN} of {len(labels):,} classes with the lowest recall"
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def draw_reliability(reliability: pd.DataFrame) -> Figure:
    """Draw reliability diagrams for the validation and test splits.

    The area of a point grows with the number of images in its bin, and a vertical line shows the
    interval of the fraction. scikit-learn's CalibrationDisplay shows neither, although most bins of
    an accurate model contain few images. `reliability` is a RELIABILITY table.
    """
    label = reliability["label"].iloc[0]
    use_fonts([label])
    fraction = "correct predictions" if label == PREDICTED else label
    figure = Figure(figsize=(8, 4.2))
    axes = figure.subplots(1, 2)
    for axis, split in zip(axes, ("validation", "test")):
        bins = reliability[reliability["split"] == split]
        x = bins["probability"]
        area = 20 + 400 * bins["images"] / bins["images"].sum()
        axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        axis.vlines(x, bins["low"], bins["high"], BLUE, linewidth=1)
        axis.scatter(x, bins["fraction"], area, color=BLUE)
        axis.set(title=split.capitalize(), aspect="equal")
        axis.set(xlabel=f"Mean probability of {label}", ylabel=f"Fraction of {fraction}")
    return figure


def draw_augmented(
    archive: Archive, train: pd.DataFrame, augment: Augment, image_size: int, resize_by: Resize
) -> Image.Image:
    """Draw the first training image's views as they are used in training.

    `train` is a table with the columns `path` and `pixels_sha256`.
    """
    first = train.iloc[0]
    photo = open_image(archive, first["path"], decoded_side(image_size))
    pixels = resize(photo, image_size, resize_by)
    cells = []
    for number in range(min(augment.views, VIEWS)):
        view = draw_view(augment, first["pixels_sha256"], number, image_size)
        is_original = number == 0 and augment.keep_original
        title = f"view {number}: original" if is_original else f"view {number}"
        cells.append((partial(Image.fromarray, apply(pixels, view)), title, GREY))
    return photo_grid({"The views of one training image": cells})


def draw_predictions(archive: Archive, predictions: pd.DataFrame) -> Image.Image:
    """Draw evenly spaced images from a table of `with_confidence`, the same for every model."""
    rows = spread(predictions, PREDICTIONS)
    title = f"Test images ({len(rows):,} of {len(predictions):,})"
    return photo_grid({title: _cells(archive, rows)})


def draw_errors(archive: Archive, predictions: pd.DataFrame) -> Image.Image:
    """Draw the most confident errors and the least confident correct predictions.

    `predictions` is a table of `with_confidence`.
    """
    ranked = rank_predictions(predictions)
    wrong = ranked[ranked["wrong"]]
    errors = wrong.head(ERRORS_SHOWN)
    rest = ranked.drop(errors.index).sort_values("confidence", kind="stable")
    unsure = rest.head(ERRORS_SHOWN)
    first = f"Most confident errors ({len(errors):,} of {len(wrong):,})"
    second = f"Least confident other predictions ({len(unsure):,} of {len(rest):,})"
    return photo_grid({first: _cells(archive, errors), second: _cells(archive, unsure)})


def draw_labels_to_review(archive: Archive, suspects: pd.DataFrame, exclusive: bool) -> Image.Image:
    """Draw the first images in LABELS_TO_REVIEW: row, place, label, its probability and a reason.

    The reason is the most probable other label, or a near-duplicate with a different label. Unless
    labels are `exclusive`, what to change takes the place of the former, and its probability that
    of the label's.
    """
    rows = suspects.head(MAX_TO_REVIEW)
    titles = []
    for number, row in enumerate(rows.itertuples(), 1):
        place = shorten(f"{number}. {name_in_folder(row.path)}", MAX_TITLE, NAME_END)
        label = shorten(row.label, MAX_TITLE_LABEL)
        other = f"≈ {name_in_folder(row.contradicts)}" if row.contradicts else ""
        other = shorten(other, MAX_TITLE, NAME_END)
        lines = [f"{label} {row.probability:.1%}", other or f"perhaps {row.likely}"]
        if not exclusive:
            lines = [label, f"{row.likely}? {1 - row.probability:.1%}", other]
        titles.append("\n".join(filter(None, [place, *lines])))
    heading = f"Rows of {LABELS_TO_REVIEW_CSV.as_posix()}"
    return draw_first(archive, heading, rows, len(suspects), titles, RED)


def _cells(archive: Archive, predictions: pd.DataFrame) -> Iterator[Cell]:
    for row in predictions.itertuples():
        title = f"{shorten(row.predicted, MAX_TITLE_LABEL)} {row.confidence:.0%}"
        title += f"\n✗ {row.mistake}" if row.wrong else ""
        yield reader(archive, row.path), title, RED if row.wrong else BLUE
