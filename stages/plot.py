"""Draw the pictures of a run from what it recorded, never from a model.

Reads the tables in plots/, data/split/images.csv and data/raw/images.zip. Params: `plot`. Writes
plots/*.png, but for those of `preview`. Run: `python -m stages.plot`
"""

import hashlib
import zipfile
from collections import Counter
from pathlib import PurePosixPath

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
                [float(row[key]) for key in ("probability", "share", "low", "high", "images")]
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


def draw_predictions(archive: zipfile.ZipFile, predictions: list[dict], number: int) -> Figure:
    """Test images spread evenly over the split, with their labels: the same for every model."""
    spread = np.linspace(0, len(predictions) - 1, min(number, len(predictions))).astype(int)
    shown = [predictions[index] for index in spread]
    second = _second_class(predictions)
    return _photos_with_verdicts(archive, shown, second, "A sample of test images")


def draw_mistakes(archive: zipfile.ZipFile, predictions: list[dict], number: int) -> Figure:
    """The surest mistakes, and below them the least certain of the other images, `number` each."""
    wrong = [row for row in predictions if row["actual"] != row["predicted"]]
    wrong.sort(key=_certainty, reverse=True)
    mistakes = wrong[:number]
    others = [row for row in predictions if row not in mistakes]
    others.sort(key=_certainty)
    title = f"The {len(mistakes)} surest of {len(wrong)} mistakes"
    if len(mistakes) == len(wrong):
        title = f"All {len(wrong)} mistakes"
    number = -(-number // COLUMNS) * COLUMNS  # whole rows
    shown = _in_slots(mistakes, number) + _in_slots(others[:number], number)
    title += ", then what the model is least sure of"
    return _photos_with_verdicts(archive, shown, _second_class(predictions), title)


def draw_likely_wrong_labels(archive: zipfile.ZipFile, listed: list[dict], number: int) -> Figure:
    """The images whose labels are likeliest to be wrong, with the label that they bear."""
    shown = listed[:number]
    photos = [np.asarray(open_image(archive, row["path"])) for row in shown]
    titles = [
        f"{PurePosixPath(row['path']).name}\n{row['label']}  {float(row['probability']):.1%}"
        for row in shown
    ]
    title = f"Likely wrong labels: {len(listed)}; a person has to look"
    return photo_grid(photos, titles, [RED] * len(photos), title, COLUMNS)


def _in_slots(rows: list[dict], number: int) -> list[dict | None]:
    """Each row in a slot that its path decides, or else the next free one.

    So an image that is shown for two models is, nearly always, in the same place.
    """
    slots: list[dict | None] = [None] * number
    for row in rows:
        slot = int.from_bytes(hashlib.sha256(row["path"].encode()).digest()[:8]) % number
        while slots[slot]:
            slot = (slot + 1) % number
        slots[slot] = row
    return slots


def _photos_with_verdicts(
    archive: zipfile.ZipFile, shown: list[dict | None], second: str, title: str
) -> Figure:
    """Each image under the label that was predicted, its probability, and the true one if other."""
    photos, titles, colours = [], [], []
    for row in shown:
        if not row:
            photos.append(None)
            titles.append("")
            colours.append(GREY)
            continue
        photos.append(np.asarray(open_image(archive, row["path"])))
        probability = float(row["probability"])
        probability = probability if row["predicted"] == second else 1 - probability
        is_right = row["actual"] == row["predicted"]
        verdict = row["actual"] if is_right else f"✗ {row['predicted']}, is {row['actual']}"
        titles.append(f"{verdict}  {probability:.0%}")
        colours.append(BLUE if is_right else RED)
    return photo_grid(photos, titles, colours, title, COLUMNS)


def _second_class(predictions: list[dict]) -> str:
    """The class whose probability the rows hold: the last in alphabetical order."""
    return max(row["actual"] for row in predictions)


def _certainty(row: dict) -> float:
    """How far the probability is from an even chance, in [0, 0.5]."""
    return abs(float(row["probability"]) - 0.5)


def main() -> None:
    params = load_params()
    extract = read_csv(paths.EXTRACT_HISTORY)
    finetune = read_csv(paths.FINETUNE_HISTORY)
    predictions = read_csv(paths.PREDICTIONS)
    held_out = read_csv(paths.VALIDATION_PREDICTIONS) + predictions
    likely_wrong = read_csv(paths.LIKELY_WRONG_LABELS)
    save(draw_curves(extract, finetune), paths.CURVES_PLOT)
    save(draw_confusion(predictions), paths.CONFUSION_PLOT)
    save(draw_roc(read_csv(paths.ROC)), paths.ROC_PLOT)
    save(draw_reliability(read_csv(paths.RELIABILITY)), paths.RELIABILITY_PLOT)
    save(draw_class_counts(read_csv(paths.SPLIT_IMAGES)), paths.CLASSES_PLOT)
    with open_archive(paths.RAW_IMAGES) as archive:
        figure = draw_predictions(archive, predictions, params.plot.predictions)
        save(figure, paths.PREDICTIONS_PLOT)
        figure = draw_mistakes(archive, held_out, params.plot.mistakes)
        save(figure, paths.MISTAKES_PLOT)
        figure = draw_likely_wrong_labels(archive, likely_wrong, params.plot.likely_wrong_labels)
        save(figure, paths.LIKELY_WRONG_LABELS_PLOT)
    print(f"plot: 8 pictures in {paths.CURVES_PLOT.parent}")


if __name__ == "__main__":
    main()
