"""Choose which unlabelled images to label first, and compare new images with labelled ones."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import csr_array

from pawprint import paths
from pawprint.classes import UNKNOWN, UNSURE
from pawprint.columns import IMAGES, SPLIT, TRAIN
from pawprint.dataset.near_duplicates import near_duplicates
from pawprint.decoding.row import perceptual_hash
from pawprint.engine.mapping import map_items
from pawprint.errors import InputError, printable
from pawprint.images.archive import Archive, open_archive
from pawprint.images.folder import find_images
from pawprint.images.reading import open_image
from pawprint.model.detector import unit_length
from pawprint.model.outputs import compile_for_stored, run_on_stored
from pawprint.model.predictor import Prediction, Predictor, Take, predict_each, take_all
from pawprint.model.served_model import FEATURES
from pawprint.params.data import Split
from pawprint.progress import track
from pawprint.projects.answers import refuse_corrected, rows_with
from pawprint.runtime import read_network
from pawprint.tables import read_table, training_images

MAX_TRAINING = 2000  # maximum number of training images to compare new images with
# Minimum uncertainty, so that distance still ranks images that the model is certain about.
MIN_UNCERTAINTY = 0.01
BLOCK = 1024  # number of images compared at once
# If the model computes these features for SAMPLE training images, the stored rows are its own.
SAMPLE = 8
ROUNDING = 1e-3  # per number in features with length 1; maps are stored as float16
MEASURED = ("perceptual_hash", "features", "uncertainty")

DISTANCE = 8  # default for near-duplicates without a params.yaml


class LabelledImages(NamedTuple):
    """The images of the last run: the tables IMAGES and SPLIT, which are empty without a run.

    `folder` is the project's folder, `distance` is the maximum distance between the hashes of
    near-duplicates, and `missing` is the first missing file, if there is one.
    """

    folder: Path
    images: pd.DataFrame
    split: pd.DataFrame
    distance: int
    missing: Path | None


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 minus the margin between the two largest probabilities, `(…, classes)`.

    The result is float `(…)`, and at least MIN_UNCERTAINTY. See Scheffer, Decomain and Wrobel,
    Active Hidden Markov Models for Information Extraction, 2001, for the margin.
    """
    second, first = np.moveaxis(np.sort(probabilities)[..., -2:], -1, 0)
    return np.maximum(1 - (first - second), MIN_UNCERTAINTY)


class Candidates(NamedTuple):
    """Unlabelled images: features, float32 `(images, channels)` of length 1, and weights.

    `alike`, bool `(images, images)`, marks pairs of similar images, of which only one is chosen.
    `is_unknown`, bool `(images,)`, marks images of which only some are chosen, and `is_unsure`
    marks images that come first.
    """

    features: np.ndarray
    weight: np.ndarray
    alike: csr_array
    is_unknown: np.ndarray
    is_unsure: np.ndarray


def choose(images: Candidates, labelled: np.ndarray, number: int, unknown: int) -> np.ndarray:
    """Return the positions of at most `number` images, best first; ties go to the first image.

    Each choice maximises the product of `weight` and the distance to the nearest image, among
    `labelled` and the earlier choices. Images with `is_unsure` are chosen before all others. The
    distance is 1 minus the cosine of the features. `labelled` also contains features, and may be
    empty. An image is left out if `alike` pairs it with an earlier choice. At most `unknown` of the
    images with `is_unknown` are chosen.
    """
    features, weight, alike, is_unknown, is_unsure = images
    cosine = np.full(len(features), -1, np.float32)  # cosine with the nearest image
    for start in range(0, len(features) if len(labelled) else 0, BLOCK):
        block = slice(start, start + BLOCK)
        cosine[block] = (features[block] @ labelled.T).max(axis=1)
    is_open = np.ones(len(features), bool)
    chosen: list[int] = []
    while True:
        if is_unknown[chosen].sum() >= unknown:
            is_open &= ~is_unknown
        if len(chosen) >= number or not is_open.any():
            return np.array(chosen, int)
        gain = weight * (1 - cosine) + 3 * is_unsure  # the product is at most 2
        best = int(np.where(is_open, gain, -1).argmax())
        chosen.append(best)
        is_open[best] = is_open[alike[[best]].indices] = False
        cosine = np.maximum(cosine, features @ features[best])


def images_in(source: Path) -> list[Path]:
    """Return the images in a folder, or the labelled images in a table of `predict`.

    Raises InputError if there are none, or if the file is another table.
    """
    where = printable(str(source))
    if not source.is_dir():
        rows = rows_with(source, ("path", "label"))
        images = [Path(row["path"]) for row in rows if row["label"]]
    else:
        images = [path for path in find_images([source]) if path != source]
    if not images:
        raise InputError(
            f"{where}: expected a folder of images, or a table from `predict`. Received: none."
        )
    return images


def suggest(
    predictor: Predictor,
    source: Path,
    labelled: LabelledImages,
    number: int,
    take: Take = take_all,
) -> list[tuple[Path, dict]]:
    """Return the images to label first, with their rows of `predict`, then images that failed.

    At most `number` images are chosen from `images_in`. From a folder, no unknown images are
    chosen, because most of them do not show any class. From a table, up to half may be unknown,
    because alarms of `score` are mostly about these. The number of images left out is reported on
    stderr. If `take` ends early, the rows so far are ranked. Raises InputError for the same reasons
    as `images_in`, and if the model has no features or did not predict the table's labels.
    """
    unknown = 0 if source.is_dir() else number // 2
    size = predictor.metadata.image_size
    if FEATURES not in predictor.run(np.zeros((size, size, 3), np.uint8)):
        raise InputError(
            f"{predictor.folder}: expected a served model with the output features. Received: an "
            "export, or a model from an earlier version. Run `dvc repro` to make models/served."
        )
    images = images_in(source)
    known, features = _features_of_labelled(predictor, labelled)
    rows = predict_each(predictor, images, _hash_and_features, has_hashes=False)
    pairs = list(zip(images, take(rows, len(images))))
    if not source.is_dir():
        refuse_corrected(source, _corrected(source, pairs))
    measured = pd.DataFrame(
        {name: [row.pop(name, None) for _, row in pairs] for name in MEASURED}, dtype=object
    )
    usable = measured.dropna()
    new = usable.drop_duplicates("perceptual_hash")
    is_near, alike = compare_hashes(known, new["perceptual_hash"], labelled.distance)
    rest = new[~is_near]
    alike = alike[~is_near][:, ~is_near]
    answers = np.array([pairs[index][1]["label"] for index in rest.index], object)
    is_unknown = answers == UNKNOWN
    candidates = Candidates(
        np.array(rest["features"].tolist(), np.float32),
        rest["uncertainty"].to_numpy(float),
        alike,
        is_unknown,
        answers == UNSURE,
    )
    chosen = choose(candidates, features, number, unknown)
    unknown_left = is_unknown.sum() - is_unknown[chosen].sum()
    line = f"{is_near.sum():,} near-duplicates of labelled images, {unknown_left:,} unknown images"
    print(f"suggest: left out {line}", file=sys.stderr)
    failed = measured.index.difference(usable.index)
    return [pairs[index] for index in (*rest.index[chosen], *failed)]


def _corrected(table: Path, pairs: Sequence[tuple[Path, dict]]) -> list[str]:
    """Return the labels in a table that differ from the same model's predictions in `pairs`."""
    rows = rows_with(table, ("path", "label"))
    given = {(Path(row["path"]), row.get("model")): row["label"] for row in rows}
    labels = [(path, given.get((path, row["model"])), row["label"]) for path, row in pairs]
    return [f"{old} for {path}" for path, old, new in labels if old and new and old != new]


def _hash_and_features(image: Image.Image, predicted: Prediction) -> dict:
    # `suggest` has checked that they exist.
    features = unit_length(cast(np.ndarray, predicted.features))
    weight = uncertainty(predicted.probabilities)
    values = (perceptual_hash(image), features.astype(np.float32), weight)
    return dict(zip(MEASURED, values))


def _features_of_labelled(
    predictor: Predictor, labelled: LabelledImages
) -> tuple[pd.Series, np.ndarray]:
    """Return the perceptual hashes of labelled images, and float32 features of training images.

    If the images of the last run are missing, both are empty, which is reported on stderr. The rows
    that the last run stored are used if the model computes the same features for a SAMPLE.
    """
    if labelled.missing:
        line = f"{labelled.missing} is missing, so the images are not compared with labelled ones"
        print(line, file=sys.stderr)
        return pd.Series(dtype=str), np.empty((0, 0), np.float32)
    images = training_images(labelled.split, MAX_TRAINING)
    if images.empty:
        return labelled.images["perceptual_hash"], np.empty((0, 0), np.float32)
    with open_archive(labelled.folder / paths.RAW_ARCHIVES, predictor.metadata.bits) as archive:
        compute = partial(_compute_features, predictor, archive)
        features = _stored_features(labelled.folder, images["pixels_sha256"])
        # Spread, because only the first DETECTOR_IMAGES have their own row if augmentation does not
        # keep the original.
        places = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int))
        sample = np.array([*map_items(compute, images["path"].iloc[places], waits=True)])
        if features is None or not _are_equal(features[places], sample):
            rest = np.setdiff1d(np.arange(len(images)), places)
            names = images["path"].iloc[rest]
            others = map_items(compute, names, waits=True)
            computed = track(others, "training images", len(names))
            features = np.array([*sample, *computed])[np.argsort([*places, *rest])]
    return labelled.images["perceptual_hash"], features


def _compute_features(predictor: Predictor, archive: Archive, name: str) -> np.ndarray:
    """Return the model's features for an image, float32 `(channels,)`, with length 1."""
    image = open_image(archive, name, predictor.metadata.decoded_side)
    # `suggest` has checked that they exist.
    features = cast(np.ndarray, predictor.predict(image).features)
    return unit_length(features).astype(np.float32)


def _stored_features(folder: Path, pixels_sha256: pd.Series) -> np.ndarray | None:
    """Return features from the rows that the last run stored for training images.

    They are float32 `(images, channels)`, of length 1. Returns None if some rows, or the layers
    after the frozen ones, are missing or damaged.
    """
    try:
        network = read_network(folder / paths.NETWORK)
        rows = folder / paths.FEATURES / TRAIN
        compute = compile_for_stored(network)
        _, features = run_on_stored(network, compute, rows, pixels_sha256, themselves=True)
    except (InputError, OSError, RuntimeError):
        return None
    return unit_length(features[:, 0]).astype(np.float32)


def _are_equal(features: np.ndarray, others: np.ndarray) -> bool:
    """Return whether two arrays of features with length 1 are equal, except for rounding."""
    return features.shape == others.shape and bool(np.abs(features - others).max() < ROUNDING)


def read_labelled(folder: Path) -> LabelledImages:
    """Return the images in a project's last run."""
    params = folder / paths.PARAMS
    distance = Split.load(path=params).near_duplicate_distance if params.exists() else DISTANCE
    archives = folder / paths.RAW_ARCHIVES
    tables = {folder / paths.IMAGES_CSV: IMAGES, folder / paths.SPLIT_CSV: SPLIT}
    missing = [path for path in (*tables, archives) if not path.exists()]
    has_tables = tables.keys().isdisjoint(missing)
    images, split = (
        read_table(path, columns) if has_tables else pd.DataFrame(columns=list(columns))
        for path, columns in tables.items()
    )
    return LabelledImages(folder, images, split, distance, next(iter(missing), None))


def is_near_training(images: pd.DataFrame, last_run: LabelledImages) -> pd.Series:
    """Return whether each image looks like a training image and is not a test image, as bool.

    The images must have `pixels_sha256` and `perceptual_hash`.
    """
    split = last_run.split
    if split.empty or images.empty:
        return pd.Series(False, images.index)
    hash_of = last_run.images.set_index("path")["perceptual_hash"]
    training = split.loc[split["split"] == "train", "path"].map(hash_of).dropna()
    new = images["perceptual_hash"].drop_duplicates()
    is_near, _ = compare_hashes(training, new, last_run.distance)
    is_test = images["pixels_sha256"].isin(split.loc[split["split"] == "test", "pixels_sha256"])
    return images["perceptual_hash"].isin(new[is_near]) & ~is_test


def compare_hashes(known: pd.Series, new: pd.Series, distance: int) -> tuple[np.ndarray, csr_array]:
    """Return whether each new hash is near a known hash, `(new,)`, and near another, `(new, new)`.

    Both results are bool. The new hashes must be distinct.
    """
    near = near_duplicates(pd.concat([known, new]), distance)
    pairs = near[["first", "second"]].to_numpy() - len(known)
    is_near = np.isin(np.arange(len(new)), pairs[pairs[:, 0] < 0, 1])
    pairs = pairs[pairs[:, 0] >= 0]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return is_near, csr_array((np.ones(len(both), bool), both.T), (len(new), len(new)))
