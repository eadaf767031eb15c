"""Learning curves, confusion matrix, ROC, reliability and class counts."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from pawprint.reports.figures import BLUE, GREY, ORANGE, new_figure

SPLITS = ("train", "validation", "test")


def draw_curves(extract: list[dict], finetune: list[dict]) -> Figure:
    """Accuracy and loss over the epochs of both phases, with the start of fine-tuning marked."""
    rows = extract + finetune
    epochs = [int(row["epoch"]) for row in rows]
    figure, axes = new_figure(columns=2, width=9, height=3.6)
    for axis, name in zip(axes, ("accuracy", "loss")):
        for key, colour, label in (
            (name, BLUE, "training"),
            (f"validation_{name}", ORANGE, "validation"),
        ):
            values = [float(row[key]) for row in rows]
            axis.plot(epochs, values, color=colour, label=label, marker=".")
        if extract and finetune:
            axis.axvline(len(extract) + 0.5, color=GREY, linestyle="--", linewidth=1.2)
            axis.annotate(
                " fine-tuning",
                (len(extract) + 0.5, 1),
                xycoords=("data", "axes fraction"),
                va="top",
                color=GREY,
            )
        axis.set_title(name.capitalize())
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(loc="lower right")
    return figure


def draw_confusion(predictions: list[dict]) -> Figure:
    """How many test images of each class were taken for which class."""
    labels = sorted({row["actual"] for row in predictions})
    counts = Counter((row["actual"], row["predicted"]) for row in predictions)
    matrix = np.array([[counts[actual, guess] for guess in labels] for actual in labels])
    figure, (axis,) = new_figure(width=4.2, height=3.8)
    axis.imshow(matrix / matrix.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    axis.grid(False)
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_xlabel("predicted")
    axis.set_ylabel("actual")
    axis.spines[:].set_visible(False)
    for (row, column), number in np.ndenumerate(matrix):
        share = number / matrix[row].sum()
        colour = "white" if share > 0.5 else "black"
        text = f"{number}\n{share:.1%}"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=12)
    right = int(np.trace(matrix))
    axis.set_title(f"Test: {right} of {matrix.sum()} right ({right / matrix.sum():.1%})")
    return figure


def draw_roc(roc: list[dict]) -> Figure:
    """The ROC curve of the second class on the test split."""
    false = np.array([float(row["false_positive_rate"]) for row in roc])
    true = np.array([float(row["true_positive_rate"]) for row in roc])
    figure, (axis,) = new_figure(width=4.2, height=4)
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="chance")
    axis.plot(false, true, color=BLUE, label="model")
    axis.set_aspect("equal")
    axis.set_xlabel("false positive rate")
    axis.set_ylabel("true positive rate")
    axis.set_title(f"Test: area under the ROC curve {np.trapezoid(true, false):.4f}")
    axis.legend(loc="lower right")
    return figure


def draw_class_counts(images: list[dict]) -> Figure:
    """Images per class in each split."""
    counts = Counter((row["split"], row["label"]) for row in images)
    labels = sorted({row["label"] for row in images})
    figure, (axis,) = new_figure(width=5.5, height=3.2)
    height = 0.8 / len(labels)
    for index, (label, colour) in enumerate(zip(labels, (BLUE, ORANGE))):
        positions = np.arange(len(SPLITS)) + index * height
        bars = axis.barh(positions, [counts[split, label] for split in SPLITS], height)
        for bar in bars:
            bar.set_color(colour)
        bars.set_label(label)
        axis.bar_label(bars, padding=3)
    axis.set_yticks(np.arange(len(SPLITS)) + height * (len(labels) - 1) / 2, SPLITS)
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.set_xlabel("images")
    axis.set_title("Images per split")
    axis.margins(x=0.1)
    axis.legend(loc="lower right")
    return figure


def draw_reliability(rows: list[dict]) -> Figure:
    """What share of the images is of the second class, where the model gave which probability.

    The area of a point is that of its number of images.
    """
    splits = ("validation", "test")
    figure, axes = new_figure(columns=len(splits), width=9, height=4.4)
    for axis, split in zip(axes, splits):
        axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as it should be")
        for calibrated, colour, label in (("no", ORANGE, "before"), ("yes", BLUE, "after")):
            of_series = [
                [float(row[key]) for key in ("probability", "fraction", "low", "high", "images")]
                for row in rows
                if (row["split"], row["calibrated"]) == (split, calibrated)
            ]
            probability, share, low, high, images = np.array(of_series).T
            area = 20 + 400 * images / images.sum()
            axis.scatter(probability, share, area, color=colour, label=f"{label} calibration")
            if calibrated == "yes":
                axis.vlines(probability, low, high, color=colour, linewidth=1)
        axis.set_title(split.capitalize())
        axis.set_xlabel("probability of the second class")
        axis.set_ylabel("share of the second class")
        axis.set_aspect("equal")
    axes[1].legend(loc="lower right")
    return figure
