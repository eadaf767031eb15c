"""Feature extraction: a new head on stored features, solved or, if that cannot be, trained.

A solved head is one layer, by logistic regression, without Keras: its loss is convex.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pawprint.errors import InputError
from pawprint.features.store import Features, StoredExamples
from pawprint.network.cross_validation import (
    BLOCK,
    CrossValidation,
    Examples,
    metrics_of,
    most_rows,
    predict_rows,
    standardise,
    view_of,
)
from pawprint.network.heads import HeadWeights, NewHead, fit, kinds_of, sample_weights
from pawprint.params.model import IN_BATCHES, LBFGS, Hardware, Head, TrainHead
from pawprint.project import HISTORY


class Settings(NamedTuple):
    """How to train; the table HISTORY is written to `path` after each epoch."""

    train: TrainHead
    head: Head
    hardware: Hardware
    path: Path


def learn_head(
    store: StoredExamples, examples: Examples, cross_validation: CrossValidation, settings: Settings
) -> NewHead:
    """A head on the features that the cross-validation chose.

    With LBFGS it is solved. What that cannot hold is learned in batches, as IN_BATCHES says.
    """
    params, has_blocks = settings.train, cross_validation.has_blocks
    if params.optimizer == LBFGS:
        part = part_that_fits(examples, cross_validation)
        if part is not None:
            features = store.open("validation", *kinds_of(has_blocks))
            validation = features, store.classes("validation")
            return solve(examples, validation, store.labels, cross_validation, part)
        print(
            f"train_extract: lbfgs cannot hold {len(examples.actual):,} images with "
            f"{examples.classes:,} classes, so adam learns in batches"
        )
        params = IN_BATCHES.model_copy(update={"class_weight": params.class_weight})
    from pawprint.network.training import Phase, train_stored_head  # TensorFlow starts here

    phase = Phase("train_extract", params, path=settings.path)
    return train_stored_head(store, has_blocks, settings.head, phase, settings.hardware)


def part_that_fits(examples: Examples, cross_validation: CrossValidation) -> np.ndarray | None:
    """The images that one fit learns from, sorted: all, or a random part with all classes in it.

    Each class has the same fraction of its images in it, and at least one. The features are those
    that the cross-validation chose. None if the part would have less than half of the images: a
    head that learns from all in batches is better (docs/decisions/25).
    """
    actual = examples.actual
    columns = math.prod(examples.features[cross_validation.has_blocks].shape[2:])
    images, most = len(actual), most_rows(columns, examples.classes)
    if most < max(images / 2, examples.classes):
        return None
    order = pd.Series(np.random.default_rng(0).permutation(images)).groupby(actual)
    rank = ((order.rank() - 1) / order.transform("size")).to_numpy()
    return np.sort(np.argsort(rank, kind="stable")[:most])


def solve(
    examples: Examples,
    validation: tuple[Features | np.ndarray, np.ndarray],
    labels: list[str],
    cross_validation: CrossValidation,
    part: np.ndarray,
) -> NewHead:
    """Fit the features and views that the cross-validation chose, of the training images `part`.

    The metrics before are those of zeros; the history has one row.

    All views of an image together weigh as much as the image. If one fit cannot hold them, it
    learns from the first view. `validation` has the same features, and class indices. Two classes
    have one unit, the logit of the second. Raises InputError if a class has no image.
    """
    features, actual = examples.features[cross_validation.has_blocks], examples.actual
    if missing := set(range(len(labels))) - set(actual.tolist()):
        raise InputError(
            "split: expected training images of every class. Received: none of "
            f"{labels[min(missing)]}. Add images, or remove the class."
        )
    views, columns = cross_validation.views, math.prod(features.shape[2:])
    if len(part) * views > most_rows(columns, len(labels)):
        views = 1
    rows = np.empty((len(part) * views, columns), np.float32)
    for start in range(0, len(part), BLOCK):  # not a second copy of all
        images = part[start : start + BLOCK]
        for view in range(views):
            place = slice(start * views + view, (start + len(images)) * views, views)
            rows[place] = view_of(features, view, images)
    targets = np.repeat(actual[part], views)
    weights = sample_weights(examples.class_weight, targets)
    held_out, held_out_classes = validation
    untrained = np.full((len(held_out_classes), len(labels)), 1 / len(labels))
    with threadpool_limits(1):
        standardisation = standardise(rows)
        (model,) = fit(rows, targets, weights / views, (cross_validation.C,))
        training_metrics = metrics_of(model.predict(rows), targets, weights)
        images = np.arange(len(held_out_classes))
        (predicted,) = predict_rows([model], standardisation, held_out, images)
    final = metrics_of(predicted, held_out_classes)
    validation_metrics = {f"validation_{name}": value for name, value in final.items()}
    history = pd.DataFrame([{"epoch": 0, "kept": True} | training_metrics | validation_metrics])
    how = "by logistic regression"
    if len(part) < len(actual):
        how += f" of a random part of {len(part):,} of {len(actual):,} images"
    return NewHead(
        HeadWeights(
            [model.weights, model.intercepts], standardisation, cross_validation.has_blocks
        ),
        metrics_of(untrained, held_out_classes),
        final,
        history.reindex(columns=list(HISTORY)),
        how,
    )
