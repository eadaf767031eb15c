"""Draw the pictures of a run from what it recorded, never from a model.

Reads the histories, plots/predictions.csv, plots/roc.csv, data/split/images.csv and
data/raw/images.zip. Params: `plot`. Writes plots/learning_curves.png, plots/confusion.png,
plots/roc.png, plots/class_counts.png and plots/predictions.png. Run: `python -m stages.plot`
"""

import zipfile
from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from stages.shared import paths
from stages.shared.archive import open_archive
from stages.shared.figures import BLUE, GREY, ORANGE, RED, new_figure, photo_grid, save
from stages.shared.images import open_image
from stages.shared.params import load_params
from stages.shared.records import read_csv

SPLITS = ("train", "validation", "test")
COLUMNS = 6


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


def draw_predictions(archive: zipfile.ZipFile, predictions: list[dict], number: int) -> Figure:
    """Test images with true and predicted label: the mistakes first, then a spread of the rest."""
    wrong = [row for row in predictions if row["actual"] != row["predicted"]]
    right = [row for row in predictions if row["actual"] == row["predicted"]]
    wrong.sort(key=_certainty, reverse=True)
    shown = wrong[: number // 2]
    spread = np.linspace(0, len(right) - 1, min(number - len(shown), len(right))).astype(int)
    shown += [right[index] for index in spread]
    photos, titles, colours = [], [], []
    for row in shown:
        photos.append(np.asarray(open_image(archive, row["path"])))
        is_right = row["actual"] == row["predicted"]
        verdict = row["actual"] if is_right else f"✗ {row['predicted']}, is {row['actual']}"
        titles.append(f"{verdict}  {0.5 + _certainty(row):.0%}")
        colours.append(BLUE if is_right else RED)
    mistakes = f"the {len(wrong)} mistakes"
    if len(wrong) > number // 2:
        mistakes = f"the {number // 2} surest of {len(wrong)} mistakes"
    title = f"Test predictions: {mistakes}, then a sample of the rest"
    return photo_grid(photos, titles, colours, title, COLUMNS)


def _certainty(row: dict) -> float:
    """How far the probability is from an even chance, in [0, 0.5]."""
    return abs(float(row["probability"]) - 0.5)


def main() -> None:
    params = load_params()
    extract = read_csv(paths.EXTRACT_HISTORY)
    finetune = read_csv(paths.FINETUNE_HISTORY)
    predictions = read_csv(paths.PREDICTIONS)
    save(draw_curves(extract, finetune), paths.CURVES_PLOT)
    save(draw_confusion(predictions), paths.CONFUSION_PLOT)
    save(draw_roc(read_csv(paths.ROC)), paths.ROC_PLOT)
    save(draw_class_counts(read_csv(paths.SPLIT_IMAGES)), paths.CLASSES_PLOT)
    with open_archive(paths.RAW_IMAGES) as archive:
        figure = draw_predictions(archive, predictions, params.plot.predictions)
        save(figure, paths.PREDICTIONS_PLOT)
    print(f"plot: 5 pictures in {paths.CURVES_PLOT.parent}")


if __name__ == "__main__":
    main()
