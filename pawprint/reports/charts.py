"""Learning curves, class counts, confusion matrix, ROC curve and reliability diagram.

The tables are those of `pawprint.core.tables`.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay, auc, confusion_matrix

from pawprint.reports.figures import BLUE, GREY, ORANGE, new_figure, shorten

MAX_LABEL = 14  # characters of a label beside the confusion matrix


def draw_curves(extract: pd.DataFrame, finetune: pd.DataFrame) -> Figure:
    """Accuracy and loss over the epochs of both training phases (tables HISTORY)."""
    history = pd.concat([extract, finetune])
    figure, axes = new_figure(columns=2, width=9, height=3.6)
    for axis, name in zip(axes, ("accuracy", "loss")):
        series = {name: (BLUE, "training"), f"validation_{name}": (ORANGE, "validation")}
        for column, (colour, label) in series.items():
            axis.plot(history["epoch"], history[column], color=colour, label=label, marker=".")
        if len(extract) and len(finetune):
            style = {"color": GREY, "linestyle": "--", "linewidth": 1.2}
            axis.axvline(len(extract) + 0.5, label="fine-tuning starts", **style)
        axis.set(title=name.capitalize(), xlabel="Epoch", ylabel=name.capitalize())
        axis.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def draw_class_counts(images: pd.DataFrame) -> Figure:
    """Number of images per class in each split (table SPLIT)."""
    counts = pd.crosstab(images["split"], images["label"])
    counts = counts.reindex(["train", "validation", "test"], fill_value=0)
    figure, (axis,) = new_figure(width=5.5, height=3.2)
    counts.plot.barh(ax=axis, width=0.8, color=[BLUE, ORANGE], legend=False)
    for bars in axis.containers:
        axis.bar_label(bars, fmt="{:,.0f}", padding=3)
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.margins(x=0.1)
    axis.set(title="Images per split", xlabel="Images", ylabel="")
    figure.legend(loc="outside lower center", ncols=counts.shape[1])
    return figure


def draw_confusion(predictions: pd.DataFrame) -> Figure:
    """Confusion matrix of the test split (table PREDICTIONS).

    A cell shows the number of images, and their fraction of the images with that true label.
    """
    actual, predicted = predictions["actual"], predictions["predicted"]
    labels = sorted({*actual, *predicted})
    figure, (axis,) = new_figure(width=4.2, height=3.8)
    display = ConfusionMatrixDisplay.from_predictions(
        actual,
        predicted,
        display_labels=[shorten(label, MAX_LABEL) for label in labels],
        normalize="true",
        ax=axis,
        cmap="Blues",
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        text_kw={"fontsize": 12},
    )
    # The display writes one number per cell.
    for cell, number in np.ndenumerate(confusion_matrix(actual, predicted)):
        display.text_[cell].set_text(f"{number:,}\n{display.confusion_matrix[cell]:.1%}")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    correct = int((actual == predicted).sum())
    title = f"Test: {correct:,} of {len(actual):,} correct ({correct / len(actual):.1%})"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def draw_roc(roc: pd.DataFrame) -> Figure:
    """ROC curve of the second class on the test split (table ROC)."""
    false, true = roc["false_positive_rate"], roc["true_positive_rate"]
    area = auc(false, true)
    figure, (axis,) = new_figure(width=4.2, height=4)
    RocCurveDisplay(fpr=false, tpr=true, roc_auc=area).plot(
        ax=axis,
        # The display rounds the area to two digits, which makes 0.9989 a 1.00.
        curve_kwargs={"color": BLUE, "label": f"model (AUC = {area:.4f})"},
        plot_chance_level=True,
        chance_level_kw={"color": GREY, "linewidth": 1, "label": "chance (AUC = 0.5)"},
    )
    axis.set_title("Test: ROC curve")
    return figure


def draw_reliability(reliability: pd.DataFrame) -> Figure:
    """Reliability diagram of the validation and test splits (table RELIABILITY).

    The area of a point grows with the number of images in its bin; a vertical line is the interval
    of the fraction. scikit-learn's CalibrationDisplay shows neither, and most bins of an accurate
    model hold few images.
    """
    figure, axes = new_figure(columns=2, width=9, height=4.6)
    for axis, split in zip(axes, ("validation", "test")):
        of_split = reliability[reliability["split"] == split]
        before, after = (of_split[of_split["calibrated"] == each] for each in ("no", "yes"))
        axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="ideal")
        x, low, high = after["probability"], after["low"], after["high"]
        axis.vlines(x, low, high, BLUE, linewidth=1, label="interval")
        # Rings over discs: both are visible where they coincide.
        ring = {"facecolors": "none", "edgecolors": ORANGE, "zorder": 3}
        disc = {"facecolors": BLUE, "edgecolors": BLUE, "zorder": 2}
        for bins, style, label in ((before, ring, "before"), (after, disc, "after")):
            area = 20 + 400 * bins["images"] / bins["images"].sum()
            points = bins["probability"], bins["fraction"], area
            axis.scatter(*points, label=f"{label} calibration", **style)
        axis.set(
            title=split.capitalize(),
            xlabel="Mean predicted probability of the second class",
            ylabel="Fraction of the second class",
            aspect="equal",
        )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
