"""Grids of photos: samples, augmented views, near-duplicates, predictions, errors."""

import hashlib
import zipfile
from pathlib import PurePosixPath

import numpy as np
from matplotlib.figure import Figure

from pawprint.core.params import Augment, Preview, Resize
from pawprint.images.augmentation import draw_transformations, warp
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.reports.figures import BLUE, GREY, RED, photo_grid

COLUMNS = 6


# More views than this do not fit on one page.
VIEWS_SHOWN = 12


def draw_samples(params: Preview, archive: zipfile.ZipFile, train: list[dict]) -> Figure:
    """Training images spread evenly over the split, with label and size in pixels."""
    chosen = np.linspace(0, len(train) - 1, min(params.samples, len(train))).astype(int)
    photos, titles = [], []
    for index in chosen:
        image = open_image(archive, train[index]["path"])
        photos.append(np.asarray(image))
        titles.append(f"{train[index]['label']}  {image.width}×{image.height}")
    return photo_grid(photos, titles, [GREY] * len(photos), "Training images", COLUMNS)


def draw_augmented(
    params: Augment, image_size: int, how: Resize, archive: zipfile.ZipFile, train: list[dict]
) -> Figure:
    """The first training image as training sees it: the views drawn from it."""
    pixels = resize(open_image(archive, train[0]["path"]), image_size, how)
    views = range(min(params.views, VIEWS_SHOWN))
    photos = [
        warp(pixels, draw_transformations(params, view, len(train), image_size)[0])
        for view in views
    ]
    titles = [f"view {view}" for view in views]
    if params.keep_original:
        titles[0] += ": as it is"
    colours = [GREY] * len(photos)
    return photo_grid(photos, titles, colours, "One image and its augmented views", COLUMNS)


def draw_near_duplicates(params: Preview, archive: zipfile.ZipFile, listed: list[dict]) -> Figure:
    """Images that look like another of the same group, group by group, with label and split."""
    shown = listed[: params.near_duplicates]
    photos = [np.asarray(open_image(archive, row["path"])) for row in shown]
    groups = list(dict.fromkeys(row["group"] for row in listed))
    titles = [f"{groups.index(row['group']) + 1}: {row['label']}, {row['split']}" for row in shown]
    title = f"{len(listed):,} images look like another one"
    title += f"; the first {len(shown)}" if len(shown) < len(listed) else ""
    return photo_grid(photos, titles, [GREY] * len(photos), title, COLUMNS)


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
