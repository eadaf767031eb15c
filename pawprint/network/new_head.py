"""Fit a new head to stored features, or train it if it cannot be fitted.

A fitted head has a single layer. Its loss is convex, so it is a logistic regression that does not
need Keras.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.columns import HISTORY
from pawprint.base.errors import InputError, counted
from pawprint.base.folds import draw_places, hash_keys
from pawprint.base.imbalance import sample_weights
from pawprint.base.threads import count_cores
from pawprint.network.cross_validation import (
    BLOCK,
    CrossValidation,
    Examples,
    most_rows,
    predict_rows,
    standardise,
    view_of,
)
from pawprint.network.heads import HeadWeights, Standardisation, kinds_of
from pawprint.network.logistic_regression import fit_exactly, threads_of_fits
from pawprint.network.store import Features, StoredExamples
from pawprint.pipeline.params.model import IN_BATCHES, Hardware, Head, TrainExtract

STANDARDISED = 10_000_000  # number of values; 80 MB as float64
MIN_SIZE_FOR_BLAS = 2**24  # with fewer values, two threads of BLAS take twice the CPU time of one


class NewHead(NamedTuple):
    """Weights, validation metrics after training, the HISTORY table, and the training method.

    The method is text such as "by logistic regression".
    """

    weights: HeadWeights
    validation: dict[str, float]
    history: pd.DataFrame
    method: str


def learn_head(
    store: StoredExamples,
    examples: Examples,
    cross_validation: CrossValidation,
    train: TrainExtract,
    head: Head,
    hardware: Hardware,
) -> NewHead:
    """Return a head on the features that cross-validation chose.

    If `epochs` is not set, the head is fitted. If the features do not fit into memory, it is
    trained in batches with the params IN_BATCHES.
    """
    has_blocks = cross_validation.has_blocks
    if train.epochs is None:
        part = part_that_fits(examples, cross_validation)
        if part is not None:
            features = store.open("validation", *kinds_of(has_blocks))
            validation = features, store.classes("validation")
            return solve(examples, validation, cross_validation, part)
        if not examples.kind.exclusive:
            raise InputError(
                f"clean.several_labels: expected images that fit into memory, as Keras trains no "
                f"such head. Received: {len(examples.actual):,} with {examples.classes:,} labels"
            )
        print(
            f"train_extract: {len(examples.actual):,} images with {examples.classes:,} classes do "
            "not fit into memory for a logistic regression, so Keras trains the head in batches"
        )
    return _train(store, has_blocks, train, head, hardware)


def _train(
    store: StoredExamples, has_blocks: bool, train: TrainExtract, head: Head, hardware: Hardware
) -> NewHead:
    """Train a head in batches.

    Block statistics are standardised with the first views of some of the training images.
    """
    # Importing this module starts TensorFlow.
    from pawprint.network.hardware import make_deterministic, training_on
    from pawprint.network.keras_model import build_head
    from pawprint.network.training import Phase, open_batches, train_head

    params = train.epochs or IN_BATCHES
    make_deterministic(params.seed)
    data = open_batches(store, kinds_of(has_blocks), params)
    standardisation = None
    if has_blocks:
        images = store.images[store.images["split"] == "train"]
        standardisation = _standardisation(data.train.features, images["pixels_sha256"])
    with training_on(hardware) as precision:
        network = build_head(head, len(store.labels), standardisation)
        is_balanced = train.weight_for(store.classes("train")) is not None
        phase = Phase("train_extract", params, precision, is_balanced)
        arrays, final, history = train_head(network, data, phase)
    views = data.train.features.shape[1]
    weights = HeadWeights(arrays, standardisation, has_blocks, views)
    return NewHead(weights, final, history, f"after {counted(len(history), 'epoch')}")


def _standardisation(features: Features | np.ndarray, pixels_sha256: pd.Series) -> Standardisation:
    """Standardise with the first views of only some training images, to save memory."""
    number = max(STANDARDISED // math.prod(features.shape[2:]), 100)
    images = np.argsort(hash_keys(pixels_sha256, "standardised"), kind="stable")[:number]
    rows = features[np.sort(images), 0].astype(np.float64)
    return Standardisation.from_moments(rows.mean(axis=0), rows.std(axis=0))


def part_that_fits(examples: Examples, cross_validation: CrossValidation) -> np.ndarray | None:
    """Return the sorted images for one fit: all, or a random part of each class.

    The part contains the same fraction of each class, and at least one image. The limit applies to
    the features that cross-validation chose. Returns None if less than half of the images would
    fit, because training on all images in batches is then better (docs/decisions/25).
    """
    columns = math.prod(examples.features[cross_validation.has_blocks].shape[2:])
    images = len(examples.actual)
    most = most_rows(columns, examples.classes)
    if most < max(images / 2, examples.classes):
        return None
    places = draw_places(examples.strata, examples.pixels_sha256, "images that fit")
    return np.sort(np.argsort(places, kind="stable")[:most])


def solve(
    examples: Examples,
    validation: tuple[Features | np.ndarray, np.ndarray],
    cross_validation: CrossValidation,
    part: np.ndarray,
) -> NewHead:
    """Fit a head to the training images `part`, with the chosen features and views.

    All views of an image share its weight. If all views are too many for one fit, it uses only the
    first view of each image. `validation` contains the same kinds of features, and class indices.
    With two classes there is one unit, which outputs the logit of the second class. The history has
    one row.
    """
    features = examples.features[cross_validation.has_blocks]
    actual = examples.actual
    views = cross_validation.views
    if len(part) * views > most_rows(math.prod(features.shape[2:]), examples.classes):
        views = 1
    rows = _rows(features, part, views)
    targets = actual[np.repeat(part, views)]
    weights = sample_weights(examples.class_weight, targets)
    held_out, held_out_classes = validation
    # The weights are rounded, so the number of threads does not change them.
    threads = count_cores() if rows.size > MIN_SIZE_FOR_BLAS else 1
    with threads_of_fits(threads, *rows.shape):
        standardisation = standardise(rows)
        (model,) = fit_exactly(rows, targets, weights / views, (cross_validation.C,))
        training_metrics = examples.metrics(model.predict(rows), targets, weights)
        images = np.arange(len(held_out_classes))
        predicted = predict_rows(model, standardisation, held_out, images)
    final = examples.metrics(predicted, held_out_classes)
    validation_metrics = {f"validation_{name}": value for name, value in final.items()}
    history = pd.DataFrame([{"epoch": 0, "kept": True} | training_metrics | validation_metrics])
    method = "by logistic regression"
    if len(part) < len(actual):
        method += f" on a random subset: {len(part):,} of {len(actual):,} images"
    return NewHead(
        HeadWeights(
            [model.weights, model.intercepts], standardisation, cross_validation.has_blocks, views
        ),
        final,
        history.reindex(columns=list(HISTORY)),
        method,
    )


def _rows(features: Features | np.ndarray, images: np.ndarray, views: int) -> np.ndarray:
    """Return the first `views` of each image in turn, float32 `(images * views, columns)`."""
    rows = np.empty((len(images) * views, math.prod(features.shape[2:])), np.float32)
    for start in range(0, len(images), BLOCK):  # avoid a second copy of all rows
        part = images[start : start + BLOCK]
        for view in range(views):
            place = slice(start * views + view, (start + len(part)) * views, views)
            rows[place] = view_of(features, view, part)
    return rows
