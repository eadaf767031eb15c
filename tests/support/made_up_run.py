"""Tables of a made-up run with any classes, in the format that stages write."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import encode
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import (
    DECIDED,
    HISTORY,
    IMAGES,
    JUDGED,
    LABELS_TO_REVIEW,
    LEARNING_CURVE,
    MEASURES,
    METADATA,
    NEAR_DUPLICATES,
    PREDICTED,
    REJECTED,
    RELIABILITY,
    ROC,
    SCORES,
    SERIES,
    SPLIT,
    UNKNOWN_IMAGES,
    columns_of_judged,
    to_review,
)
from pawprint.base.files import pack, write_json
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS
from pawprint.base.tables import read_table, write_table
from pawprint.model.metadata import LabelMetadata, Metadata
from pawprint.scores.label_review import judge
from pawprint.scores.metrics import Predictions, measure_unknown, tabulate_scores
from pawprint.scores.prediction_table import tabulate, write_probabilities

PER_CLASS = 10  # per class and split
# Cells of an IMAGES table.
OF_FILE = {"archive_split": "", "without_label": "", "key": "", "has_more": False}
OF_FILE |= {"used_bits": 8, "file_bits": 8}


def predictions_of(labels: list[str], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return class indices and probabilities that are mostly correct."""
    actual = np.repeat(np.arange(len(labels)), PER_CLASS)
    logits = np.random.default_rng(seed).normal(0, 1, (len(actual), len(labels)))
    logits += 3 * np.eye(len(labels))[actual]
    return actual, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def scores_of(labels: list[str]) -> pd.DataFrame:
    """Return the SCORES table; validation and test differ."""
    both = []
    for seed, split in enumerate(("validation", "test")):
        actual, probabilities = predictions_of(labels, seed)
        predicted = ONE_CLASS.predict(probabilities, {})
        unknown = np.linspace(0.1, 0.5, len(actual)) > 0.48
        groups = np.arange(len(actual))
        predictions = Predictions(actual, probabilities, predicted, labels, groups, unknown)
        both.append(tabulate_scores(predictions).assign(split=split))
    return pd.concat(both, ignore_index=True)


def split_of(numbers: dict[str, int]) -> pd.DataFrame:
    """Return the SPLIT table with this number of images for each label and split."""
    rows = [
        (path := f"{label}/{split}{number}.jpg", label, split, path, "0")
        for label, images in numbers.items()
        for split in ("train", "validation", "test")
        for number in range(images)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "split", "group", "pixels_sha256"])
    return table.assign(**dict.fromkeys(SERIES, ""))


def images_of(numbers: dict[str, int]) -> pd.DataFrame:
    """Return the IMAGES table for the images of `split_of`."""
    sized = split_of(numbers).assign(width=600, height=400, **dict.fromkeys(MEASURES, 100.0))
    return sized.assign(perceptual_hash="0" * 64, taken="", camera="", **OF_FILE)


def write_predictions_of(workspace: Path, numbers: dict[str, int]) -> None:
    """Write predictions for both splits, cross-validated ones for training, and an archive."""
    labels = list(numbers)
    names = [f"{label}/{number}.jpg" for label in labels for number in range(PER_CLASS)]
    tables = [images_of(numbers)]
    for seed, split in enumerate(("train", "validation", "test")):
        actual, probabilities = predictions_of(labels, seed)
        images = pd.DataFrame({"path": [f"{split}/{name}" for name in names]})
        images = images.assign(label=np.array(labels)[actual], pixels_sha256="0")
        if split == "train":
            judged = judge(images, probabilities, labels)
            write_table(workspace / paths.CROSS_VALIDATION_CSV, judged, JUDGED)
        else:
            of_images = actual, probabilities, probabilities.argmax(axis=1)
            table = tabulate(images, Predictions(*of_images, labels, np.arange(len(images))))
            write_probabilities(workspace / paths.PROBABILITIES_CSV[split], table)
        tables.append(images)
    write_photos(workspace, pd.concat(tables)["path"])


def write_photos(workspace: Path, names: Iterable[str]) -> None:
    """Write an archive of grey photos with these names."""
    photo = encode(Image.new("RGB", (8, 8), "grey"), "PNG")
    archive = workspace / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True, exist_ok=True)
    pack(archive, [(name, photo) for name in names])


def write_run(
    workspace: Path,
    numbers: dict[str, int],
    rejected: pd.DataFrame,
    splits: tuple[str, str] = ("train", "train"),
) -> None:
    """Write what the `plot` stage reads for images with these labels.

    `splits` are the splits of two near-duplicates.
    """
    labels = list(numbers)
    history = pd.DataFrame({name: [1, 2] for name in HISTORY})
    history = history.assign(accuracy=0.95, validation_accuracy=0.9)
    curve = pd.DataFrame({"images": [40, 80], "accuracy": [0.8, 0.9], "loss": 0.3})
    curve = curve.assign(score="accuracy", gain=[None, 0.1], low=[None, 0.05], high=[None, 0.15])
    copies = pd.DataFrame({name: split_of(numbers)["path"][:2] for name in NEAR_DUPLICATES})
    copies = copies.assign(group="a.jpg", split=splits, contradicts="", distance=0)
    suspects = pd.DataFrame({name: [0.5] for name in LABELS_TO_REVIEW}).assign(contradicts="")
    suspects = suspects.assign(path=split_of(numbers)["path"][0], label=labels[0], likely=labels[1])
    bins = pd.DataFrame({name: [0.5] * 2 for name in RELIABILITY})
    bins = bins.assign(split=["validation", "test"], label=PREDICTED, images=1)
    roc = pd.DataFrame({name: [0.0, 1.0] for name in ROC}).assign(label=labels[-1])
    for path, frame, columns in (
        (paths.SCORES_CSV, scores_of(labels), SCORES),
        (paths.SPLIT_CSV, split_of(numbers), SPLIT),
        (paths.IMAGES_CSV, images_of(numbers), IMAGES),
        (paths.METADATA_CSV, pd.DataFrame(columns=list(METADATA)), METADATA),
        (paths.REJECTED_CSV, rejected, REJECTED),
        (paths.UNKNOWN_CSV, pd.DataFrame(columns=list(UNKNOWN_IMAGES)), UNKNOWN_IMAGES),
        (paths.NEAR_DUPLICATES_CSV, copies, NEAR_DUPLICATES),
        (paths.EXTRACT_HISTORY_CSV, history, HISTORY),
        (paths.FINETUNE_HISTORY_CSV, history, HISTORY),
        (paths.LEARNING_CURVE_CSV, curve, LEARNING_CURVE),
        (paths.LABELS_TO_REVIEW_CSV, suspects, LABELS_TO_REVIEW),
        (paths.RELIABILITY_CSV, bins, RELIABILITY),
        (paths.ROC_CSV, roc, ROC),
    ):
        write_table(workspace / path, frame, columns)
    write_predictions_of(workspace, numbers)
    metadata = Metadata(
        labels=labels, image_size=96, resize="crop", temperature=1.25, unknown_threshold=0.48
    )
    decided = pd.DataFrame({"decided": [0.5, 1], "error": [0, 0.1], "confidence": [0.9, 0.5]})
    write_table(workspace / paths.DECIDED_CSV, decided, DECIDED)
    write_json(workspace / paths.CROSS_VALIDATION_JSON, {})
    write_json(workspace / paths.SERVED_MODEL / "model.json", metadata.model_dump())
    write_json(workspace / paths.NETWORK_JSON, {"is_mirrored": True})


def write_label_run(workspace: Path) -> list[str]:
    """Write what `plot` reads of images that show several of the labels that are returned.

    The second has no test image. Other labels of the first three images of a split are predicted.
    """
    labels = ["<sea>", "rare", "trees"]
    write_run(workspace, {"a": 20, "b": 20}, pd.DataFrame(columns=list(REJECTED)))
    split = read_table(workspace / paths.SPLIT_CSV, SPLIT)
    shown = np.random.default_rng(0).random((len(split), 3)) < 0.4
    shown[:, 1] &= split["split"] == "train"
    split = split.assign(label=SEVERAL_LABELS.decode(shown, labels))
    write_table(workspace / paths.SPLIT_CSV, split, SPLIT)
    is_wrong = split.groupby("split").cumcount() < 3
    named = np.where(is_wrong.to_numpy()[:, None], ~shown & [True, False, True], shown)
    arrays = shown, np.where(named, 0.9, 0.05), named
    scores = []
    for name, images in split.groupby("split"):
        of_split = (array[images.index] for array in arrays)
        predictions = Predictions(*of_split, labels, images["path"].to_numpy())
        judged = judge(images, predictions.probabilities, labels, kind=SEVERAL_LABELS)
        if name == "train":
            path = workspace / paths.CROSS_VALIDATION_CSV
            write_table(path, judged, columns_of_judged(judged))
            continue
        table = tabulate(images, predictions)
        write_probabilities(workspace / paths.PROBABILITIES_CSV[name], table)
        scores.append(tabulate_scores(predictions).assign(split=name))
    unknown = measure_unknown(np.ones(2), np.zeros(2), 0.5, np.arange(4)).assign(split="test")
    write_table(workspace / paths.SCORES_CSV, pd.concat([*scores, unknown]), SCORES)
    path = workspace / paths.LABELS_TO_REVIEW_CSV
    review = read_table(path, LABELS_TO_REVIEW).assign(cell="none")
    review = pd.concat([review, review.assign(likely="ask trees")])
    write_table(path, review, to_review(exclusive=False))
    write_photos(workspace, split["path"])
    rules = {"image_size": 96, "resize": "crop", "temperature": 1, "at_least_one": False}
    metadata = LabelMetadata(labels=labels, **rules)
    write_json(workspace / paths.SERVED_MODEL / "model.json", metadata.model_dump())
    return labels
