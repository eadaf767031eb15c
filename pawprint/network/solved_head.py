"""A linear head by logistic regression, and cross-validated probabilities of training images.

Without Keras: the head is one layer, and its loss is convex. Features are standardised, as the
penalty on weights needs it, and the solution is folded back to a layer on the stored features.
One thread computes, because the number of threads changes the last bits of a sum.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from pawprint.classes import predicted_classes
from pawprint.columns import HISTORY
from pawprint.errors import InputError
from pawprint.features.store import Features

# scikit-learn's C, the inverse of the penalty, for the sum of the losses of all images.
VALUES_OF_C = (0.001, 0.01, 0.1, 1.0, 10.0)
USUAL_C = (0.01,)  # where C is not chosen
FOLDS = 5
# Images that a cross-validation learns from, and how many of each class it takes if one fit should
# hold fewer.
MAX_CROSS_VALIDATED, MIN_OF_CLASS = 10_000, 10
# Rows x features x classes. At the limit a fit takes a minute or two on one core, and the features
# of two classes take 2 GB.
MAX_SIZE = 1_000_000_000
MAX_ITERATIONS = 1000
BLOCK = 4096  # images predicted at a time


class Examples(NamedTuple):
    """Training images: features `(images, views, …)`, class indices and groups, `(images,)`."""

    features: Features | np.ndarray
    actual: np.ndarray
    groups: np.ndarray
    classes: int
    class_weight: str | None = None


class CrossValidation(NamedTuple):
    """float32 `(images, classes)`, NaN for an image that is not judged; and C.

    `views` is the number of views of each image that the fits learned from: one, or all.
    """

    probabilities: np.ndarray
    C: float
    views: int


class Folds(NamedTuple):
    """The fold of each image, that of its group, and the sorted images that fits learn from."""

    fold: np.ndarray
    learned: np.ndarray


def _most_rows(features: Features | np.ndarray, classes: int) -> int:
    """How many rows one fit learns from at most, by MAX_SIZE."""
    return MAX_SIZE // (math.prod(features.shape[2:]) * classes)


def part_that_fits(
    features: Features | np.ndarray, actual: np.ndarray, classes: int
) -> np.ndarray | None:
    """The images that one fit learns from, sorted: all, or a random part with all classes in it.

    Each class has the same fraction of its images in it, and at least one. `features` are
    `(images, views, …)`, `actual` their class indices. None if the part would have less than half
    of the images: a head that learns from all in batches is better (docs/decisions/25).
    """
    images, most = len(actual), _most_rows(features, classes)
    if most < max(images / 2, classes):
        return None
    order = pd.Series(np.random.default_rng(0).permutation(images)).groupby(actual)
    rank = ((order.rank() - 1) / order.transform("size")).to_numpy()
    return np.sort(np.argsort(rank, kind="stable")[:most])


def cross_validate(
    examples: Examples, values_of_c: tuple[float, ...] = VALUES_OF_C
) -> CrossValidation:
    """Probabilities of each image by a regression that learned neither from it nor its group.

    C is that of `values_of_c` with the lowest log loss, where the first view of the features is
    learned from. Where C is chosen, all views take its place if that lowers the log loss further.
    An image is judged by its first view. Of more than MAX_CROSS_VALIDATED images, and of more than
    one fit holds, a random part is learned from, and C and views are chosen for it. Of many classes
    the part is larger than a fit should hold, and C is USUAL_C. An image is not judged if the
    others have none of its class, as where a class has one image or one group. Raises InputError
    if no image is judged.
    """
    folds = _folds(examples)
    everything = np.arange(len(examples.actual))
    if len(folds.learned) > _most_rows(examples.features, examples.classes):
        values_of_c = USUAL_C
    judged = folds.learned if len(values_of_c) > 1 else everything

    def loss(candidate: CrossValidation) -> float:
        return measure(candidate.probabilities[is_judged], judged_classes, weights)["loss"]

    candidates = [_crossed(examples, folds, judged, 1, c) for c in values_of_c]
    is_judged = ~np.isnan(candidates[0].probabilities[:, 0])
    if not is_judged.any():
        raise InputError(
            "data/split/images.csv: expected training images of two classes or more, with two "
            "images or groups of one of them, and two groups in all. Received: fewer. Add images, "
            "or see split.group."
        )
    judged_classes = examples.actual[judged[is_judged]]
    weights = compute_sample_weight(examples.class_weight, judged_classes)
    best = min(candidates, key=loss)
    views = examples.features.shape[1]
    if len(values_of_c) > 1 and views > 1:
        best = min(best, _crossed(examples, folds, judged, views, best.C), key=loss)
    if len(judged) == len(everything):
        return best
    return _crossed(examples, folds, everything, best.views, best.C)


def cross_validate_as(crossed: CrossValidation, examples: Examples) -> CrossValidation:
    """As `cross_validate`, with C and views as in `crossed`, such as for other groups."""
    everything = np.arange(len(examples.actual))
    return _crossed(examples, _folds(examples), everything, crossed.views, crossed.C)


def _crossed(
    examples: Examples, folds: Folds, judged: np.ndarray, views: int, c: float
) -> CrossValidation:
    """Judge the images `judged`, sorted indices, of which the result has the probabilities.

    The fits learn from the first `views` of an image, which together weigh as much as the image.
    """
    features, actual = examples.features, examples.actual
    views_of_learned = [_view(features, view, folds.learned) for view in range(views)]
    probabilities = np.full((len(judged), examples.classes), np.nan, np.float32)
    for held_out in range(folds.fold.max() + 1):
        learned = np.flatnonzero(folds.fold[folds.learned] != held_out)
        learned_classes = actual[folds.learned[learned]]
        is_judged = folds.fold[judged] == held_out
        is_judged &= np.isin(actual[judged], learned_classes)
        places = np.flatnonzero(is_judged)
        if len(np.unique(learned_classes)) < 2 or not len(places):
            continue
        with threadpool_limits(1):
            rows = np.concatenate([view[learned] for view in views_of_learned]).astype(np.float32)
            mean, scale = _standardise(rows)
            model = LogisticRegression(
                C=c / views, class_weight=examples.class_weight, max_iter=MAX_ITERATIONS
            )
            model.fit(rows, np.tile(learned_classes, views))
            probabilities[places] = 0
            columns = np.ix_(places, model.classes_)
            probabilities[columns] = _predict(model, mean, scale, features, judged[places])
    return CrossValidation(probabilities, c, views)


def _predict(
    model: LogisticRegression,
    mean: np.ndarray,
    scale: np.ndarray,
    features: Features | np.ndarray,
    images: np.ndarray,
) -> np.ndarray:
    """float32 `(images, classes of the model)`: probabilities by the first view of the images."""
    found = np.empty((len(images), len(model.classes_)), np.float32)
    for part in np.array_split(np.arange(len(images)), -(-len(images) // BLOCK)):
        rows = (_view(features, 0, images[part]).astype(np.float32) - mean) / scale
        found[part] = model.predict_proba(rows)
    return found


def solve(
    train: tuple[Features | np.ndarray, np.ndarray],
    validation: tuple[Features | np.ndarray, np.ndarray],
    labels: list[str],
    crossed: CrossValidation,
    class_weight: str | None,
    part: np.ndarray,
) -> tuple[list[np.ndarray], dict, pd.DataFrame, int]:
    """Fit the views that the cross-validation chose, one or all, of the training images `part`.

    All views of an image together weigh as much as the image. If one fit cannot hold them, it
    learns from the first view.

    Each pair is of features `(images, views, …)` and class indices. Returns kernel and bias of a
    dense layer, float32 `(features, units)` and `(units,)`; the metrics on validation of a head of
    zeros and of this one; and the table HISTORY with one row, epoch 0. Two classes have one unit,
    the logit of the second; then the number of views. Raises InputError if a class has no image.
    """
    features, actual = train
    if missing := set(range(len(labels))) - set(actual.tolist()):
        raise InputError(
            "data/split/images.csv: expected training images of every class. Received: none of "
            f"{labels[min(missing)]}. Add images, or remove the class."
        )
    views, columns = crossed.views, math.prod(features.shape[2:])
    if len(part) * views > _most_rows(features, len(labels)):
        views = 1
    rows = np.empty((len(part) * views, columns), np.float32)
    for start in range(0, len(part), BLOCK):  # not a second copy of all
        images = part[start : start + BLOCK]
        for view in range(views):
            place = slice(start * views + view, (start + len(images)) * views, views)
            rows[place] = _view(features, view, images)
    row_classes = np.repeat(actual[part], views)
    weights = compute_sample_weight(class_weight, row_classes)
    held_out, held_out_classes = validation
    untrained = np.full((len(held_out_classes), len(labels)), 1 / len(labels))
    with threadpool_limits(1):
        mean, scale = _standardise(rows)
        model = LogisticRegression(
            C=crossed.C / views, class_weight=class_weight, max_iter=MAX_ITERATIONS
        )
        model.fit(rows, row_classes)
        fitted = measure(model.predict_proba(rows), row_classes, weights)
        predicted = _predict(model, mean, scale, held_out, np.arange(len(held_out_classes)))
        final = measure(predicted, held_out_classes)
    kernel = (model.coef_ / scale).T
    bias = model.intercept_ - mean @ kernel
    arrays = [kernel.astype(np.float32), bias.astype(np.float32)]
    metrics = {"initial": measure(untrained, held_out_classes), "validation": final}
    named = {f"validation_{name}": value for name, value in final.items()}
    history = pd.DataFrame([{"epoch": 0, "kept": True} | fitted | named])
    return arrays, metrics, history.reindex(columns=list(HISTORY)), views


def measure(
    probabilities: np.ndarray, actual: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Log loss, weighted, and accuracy of probabilities `(images, classes)`."""
    classes = np.arange(probabilities.shape[1])
    loss = log_loss(actual, probabilities, labels=classes, sample_weight=weights)
    correct = predicted_classes(probabilities, None) == actual
    return {"loss": float(loss), "accuracy": float(correct.mean())}


def _folds(examples: Examples) -> Folds:
    """At most MAX_CROSS_VALIDATED images are learned from: those that one fit holds, or
    MIN_OF_CLASS of each class, whichever is more. Groups without one are in the first fold.
    """
    actual, group = examples.actual, np.unique(examples.groups, return_inverse=True)[1]
    most = _most_rows(examples.features, examples.classes)
    most = min(max(most, MIN_OF_CLASS * examples.classes), MAX_CROSS_VALIDATED)
    learned = np.sort(np.random.default_rng(0).permutation(len(actual))[:most])
    fold_by_group = np.zeros(group.max(initial=0) + 1, int)
    folds = min(FOLDS, len(np.unique(group[learned])), np.bincount(actual[learned]).max(initial=0))
    if folds > 1:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a class with fewer images
            parts = list(splitter.split(learned, actual[learned], group[learned]))
        for number, (_, held_out) in enumerate(parts):
            fold_by_group[group[learned[held_out]]] = number
    return Folds(fold_by_group[group], learned)


def _view(features: Features | np.ndarray, view: int, images: np.ndarray) -> np.ndarray:
    """float16 `(images, features)`: one view of each of these images."""
    return features[images, np.full_like(images, view)].reshape(len(images), -1)


def _standardise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make the columns of float32 rows of mean 0 and deviation 1, in place; returns both before.

    A constant column has a deviation of 1.
    """
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows -= mean
    scale = np.sqrt(np.einsum("ij,ij->j", rows, rows, dtype=np.float64) / len(rows))
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    rows /= scale
    return mean, scale
