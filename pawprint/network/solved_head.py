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
from pawprint.tables import tabulate

# scikit-learn's C, the inverse of the penalty, for the sum of the losses of all images.
VALUES_OF_C = (0.001, 0.01, 0.1, 1.0, 10.0)
USUAL_C = (0.01,)  # where C is not chosen
FOLDS = 5
MAX_CROSS_VALIDATED = 10_000  # images that a cross-validation learns from
# Rows x features x classes. At the limit a fit takes a minute or two on one core, and the features
# of two classes take 3 GB.
MAX_SIZE = 1_500_000_000
MAX_ITERATIONS = 1000
BLOCK = 4096  # images predicted at a time


class CrossValidation(NamedTuple):
    """float32 `(images, classes)`, NaN for an image that is not judged; and C.

    `views` is the number of views of each image that the fits learned from: one, or all.
    """

    probabilities: np.ndarray
    C: float
    views: int


def part_that_fits(features: Features | np.ndarray, actual: np.ndarray, classes: int) -> np.ndarray:
    """The images that one fit learns from, sorted: all, or a random part with all classes in it.

    Each class has the same fraction of its images in it, and at least one. `features` are
    `(images, views, …)`, `actual` their class indices. Raises InputError if fewer than
    MAX_CROSS_VALIDATED images would be left.
    """
    images, _, *shape = features.shape
    most = MAX_SIZE // (math.prod(shape) * classes)
    if most < min(images, MAX_CROSS_VALIDATED):
        raise InputError(
            "train_extract.optimizer: expected one that works in batches, such as adam, for "
            f"{images:,} images with {math.prod(shape):,} features, and {classes:,} classes. "
            f"Received: lbfgs, which could learn from {most:,} of them."
        )
    order = pd.Series(np.random.default_rng(0).permutation(images)).groupby(actual)
    rank = ((order.rank() - 1) / order.transform("size")).to_numpy()
    return np.sort(np.argsort(rank, kind="stable")[:most])


def cross_validate(
    features: Features | np.ndarray,
    actual: np.ndarray,
    groups: np.ndarray,
    classes: int,
    class_weight: str | None = None,
    values_of_c: tuple[float, ...] = VALUES_OF_C,
) -> CrossValidation:
    """Probabilities of each image by a regression that learned neither from it nor its group.

    `actual` holds class indices. C is that of `values_of_c` with the lowest log loss, where the
    first view of the features `(images, views, …)` is learned from. Where C is chosen, all views
    take its place if that lowers the log loss further. An image is judged by its first view. Of
    more than MAX_CROSS_VALIDATED images, or of fewer with very many features, a random part is
    learned from. An image is not judged if the others have none of its class, as where a class has
    one image or one group. Raises InputError if no image is judged.
    """
    views = [_view(features, 0)]
    fold, is_learned = _folds(actual, groups, _most(views, classes))

    def crossed(number: int, c: float) -> CrossValidation:
        found = _held_out(views[:number], actual, fold, is_learned, classes, class_weight, c)
        return CrossValidation(found, c, number)

    candidates = [crossed(1, c) for c in values_of_c]
    is_judged = ~np.isnan(candidates[0].probabilities[:, 0])
    if not is_judged.any():
        raise InputError(
            "data/split/images.csv: expected training images of two classes or more, with two "
            "images or groups of one of them, and two groups in all. Received: fewer. Add images, "
            "or see split.group."
        )
    weights = compute_sample_weight(class_weight, actual[is_judged])

    def loss(candidate: CrossValidation) -> float:
        return measure(candidate.probabilities[is_judged], actual[is_judged], weights)["loss"]

    best = min(candidates, key=loss)
    if len(values_of_c) == 1 or features.shape[1] == 1:
        return best
    views += [_view(features, view) for view in range(1, features.shape[1])]
    return min(best, crossed(len(views), best.C), key=loss)


def cross_validate_groups(
    crossed: CrossValidation,
    features: Features | np.ndarray,
    actual: np.ndarray,
    groups: np.ndarray,
    classes: int,
    class_weight: str | None = None,
) -> np.ndarray:
    """The probabilities of `cross_validate` for other groups, with C and views as in `crossed`."""
    views = [_view(features, view) for view in range(crossed.views)]
    fold, is_learned = _folds(actual, groups, _most(views, classes))
    return _held_out(views, actual, fold, is_learned, classes, class_weight, crossed.C)


def _most(views: list[np.ndarray], classes: int) -> int:
    """The number of images that a cross-validation learns from at most."""
    return min(MAX_CROSS_VALIDATED, MAX_SIZE // (views[0].shape[1] * classes))


def _held_out(
    views: list[np.ndarray],
    actual: np.ndarray,
    fold: np.ndarray,
    is_learned: np.ndarray,
    classes: int,
    class_weight: str | None,
    c: float,
) -> np.ndarray:
    """Probabilities as those of CrossValidation.

    The fits learn from these views, each float16 `(images, features)`, which together weigh as much
    as the image.
    """
    found = np.full((len(actual), classes), np.nan, np.float32)
    for held_out in range(fold.max() + 1):
        learned = np.flatnonzero((fold != held_out) & is_learned)
        judged = np.flatnonzero((fold == held_out) & np.isin(actual, actual[learned]))
        if len(np.unique(actual[learned])) < 2 or not len(judged):
            continue
        with threadpool_limits(1):
            known = np.concatenate([view[learned] for view in views]).astype(np.float32)
            mean, scale = _standardise(known)
            model = LogisticRegression(
                C=c / len(views), class_weight=class_weight, max_iter=MAX_ITERATIONS
            )
            model.fit(known, np.tile(actual[learned], len(views)))
            for part in np.array_split(judged, -(-len(judged) // BLOCK)):
                found[part] = 0
                block = (views[0][part].astype(np.float32) - mean) / scale
                found[np.ix_(part, model.classes_)] = model.predict_proba(block)
    return found


def judge(
    crossed: CrossValidation, images: pd.DataFrame, labels: list[str]
) -> tuple[pd.DataFrame, dict[str, float], dict[str, int]]:
    """The table PREDICTIONS of the judged images, their log loss and accuracy, and the others.

    `images` has the columns `path`, `label` and `pixels_sha256`. The others are the number of
    images of each label that are not judged.
    """
    is_judged = ~np.isnan(crossed.probabilities).any(axis=1)
    probabilities, rows = crossed.probabilities[is_judged], images[is_judged]
    predictions = tabulate(rows, probabilities, predicted_classes(probabilities, None), labels)
    measured = measure(probabilities, pd.Index(labels).get_indexer(rows["label"]))
    others = images["label"][~is_judged].value_counts(sort=False).to_dict()
    return predictions, measured, others


def solve(
    train: tuple[Features | np.ndarray, np.ndarray],
    validation: tuple[Features | np.ndarray, np.ndarray],
    labels: list[str],
    crossed: CrossValidation,
    class_weight: str | None = None,
) -> tuple[list[np.ndarray], dict, pd.DataFrame, int]:
    """Fit the views of the training images that the cross-validation chose: one, or all.

    All views of an image together weigh as much as the image. If one fit cannot hold them, it
    learns from the first view, and of `part_that_fits`; the last of the results is the number of
    images that it learns from.

    Each pair is of features `(images, views, …)` and class indices. Returns kernel and bias of a
    dense layer, float32 `(features, units)` and `(units,)`; the metrics on validation of a head of
    zeros and of this one; and the table HISTORY with one row, epoch 0. Two classes have one unit,
    the logit of the second. Raises InputError if a class has no image.
    """
    features, actual = train
    if missing := set(range(len(labels))) - set(actual.tolist()):
        raise InputError(
            "data/split/images.csv: expected training images of every class. Received: none of "
            f"{labels[min(missing)]}. Add images, or remove the class."
        )
    part = part_that_fits(features, actual, len(labels))
    views, columns = crossed.views, math.prod(features.shape[2:])
    if len(part) * views * columns * len(labels) > MAX_SIZE:
        views = 1
    rows = np.empty((len(part) * views, columns), np.float32)
    for start in range(0, len(part), BLOCK):  # not a second copy of all
        images = part[start : start + BLOCK]
        for view in range(views):
            place = slice(start * views + view, (start + len(images)) * views, views)
            rows[place] = _view(features, view, images)
    row_classes = np.repeat(actual[part], views)
    weights = compute_sample_weight(class_weight, row_classes)
    held_out, held_out_classes = _view(validation[0], 0).astype(np.float32), validation[1]
    untrained = np.full((len(held_out), len(labels)), 1 / len(labels))
    with threadpool_limits(1):
        mean, scale = _standardise(rows)
        held_out = (held_out - mean) / scale
        model = LogisticRegression(
            C=crossed.C / views, class_weight=class_weight, max_iter=MAX_ITERATIONS
        )
        model.fit(rows, row_classes)
        fitted = measure(model.predict_proba(rows), row_classes, weights)
        final = measure(model.predict_proba(held_out), held_out_classes)
    kernel = (model.coef_ / scale).T
    bias = model.intercept_ - mean @ kernel
    arrays = [kernel.astype(np.float32), bias.astype(np.float32)]
    metrics = {"initial": measure(untrained, held_out_classes), "validation": final}
    named = {f"validation_{name}": value for name, value in final.items()}
    history = pd.DataFrame([{"epoch": 0, "kept": True} | fitted | named])
    return arrays, metrics, history.reindex(columns=list(HISTORY)), len(part)


def measure(
    probabilities: np.ndarray, actual: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Log loss, weighted, and accuracy of probabilities `(images, classes)`."""
    classes = np.arange(probabilities.shape[1])
    loss = log_loss(actual, probabilities, labels=classes, sample_weight=weights)
    correct = predicted_classes(probabilities, None) == actual
    return {"loss": float(loss), "accuracy": float(correct.mean())}


def _folds(actual: np.ndarray, groups: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The fold of each image, that of its group, and whether others learn from it: at most `most`.

    Groups without an image to learn from are in the first fold.
    """
    group = np.unique(groups, return_inverse=True)[1]
    chosen = np.sort(np.random.default_rng(0).permutation(len(actual))[:most])
    fold_by_group = np.zeros(group.max(initial=0) + 1, int)
    groups_chosen = len(np.unique(group[chosen]))
    folds = min(FOLDS, groups_chosen, np.bincount(actual[chosen]).max(initial=0))
    if folds > 1:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a class with fewer images
            parts = list(splitter.split(chosen, actual[chosen], group[chosen]))
        for number, (_, held_out) in enumerate(parts):
            fold_by_group[group[chosen[held_out]]] = number
    return fold_by_group[group], np.isin(np.arange(len(actual)), chosen)


def _view(
    features: Features | np.ndarray, view: int, images: np.ndarray | None = None
) -> np.ndarray:
    """float16 `(images, features)`: one view of each of these images, or of all."""
    images = np.arange(features.shape[0]) if images is None else images
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
