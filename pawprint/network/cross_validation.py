"""Cross-validate logistic regressions on the features of the training images.

Cross-validation chooses the features and views for the head, and how strongly its weights are
penalised. Features are standardised, because the penalty requires it. Each fit uses one thread,
because the number of threads changes the last bits of a sum.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.base.errors import InputError
from pawprint.base.folds import FOLDS, draw_folds, draw_places, hash_keys, smallest_keys
from pawprint.base.imbalance import sample_weights
from pawprint.base.labels import LabelKind, kind_of
from pawprint.base.threads import map_in_threads
from pawprint.network.heads import Standardisation, kinds_of
from pawprint.network.logistic_regression import (
    Regression,
    fit_exactly,
    fit_regressions,
    threads_of_fits,
)
from pawprint.network.store import Features, StoredExamples

# Inverse regularization strengths. The loss is summed over all images.
VALUES_OF_C = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
USUAL_C = 100.0  # without block features, if C is not chosen
TIMES_WITH_BLOCKS = 3.0  # C with block features, divided by C without (docs/decisions/25)
NEAR_TIE = 1e-3  # relative difference of losses below which rough fits, off by 5e-6, do not decide
# Relative rise of the loss after which larger values of C, which take longest, are not tried: it
# kept rising on all of 30 data sets.
RISE = 0.02
PARTS = (1 / 8, 1 / 4, 1 / 2)  # fractions of the training images in a learning curve
MAX_CROSS_VALIDATED = 10_000  # maximum number of images in cross-validated fits
MAX_COMPARED = 5_000  # maximum number of images for choosing C, features and views
MIN_OF_CLASS = 10  # minimum number of images per class in a fit
# Rows x features x classes. At this limit, a fit takes a minute or two on one core, and the
# features of two classes take 2 GB.
MAX_SIZE = 1_000_000_000
# Above this size, all views are not tried, because each of five fits takes half a minute.
MAX_SIZE_OF_VIEWS = MAX_SIZE // 5
# Images x features. Fits to fewer use one thread, one after another: several would mostly wait for
# the interpreter lock, and take a quarter more CPU time. The bytes are the same.
MIN_SIZE_FOR_THREADS = 2**22
KEPT = 2**26  # images x views x features; at most 256 MB are read once and not for each fold
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[float]], Iterator[Regression]]
BLOCK = 4096  # number of images predicted at once


class Examples(NamedTuple):
    """Training images: features `(images, views, …)`, and class indices and groups `(images,)`.

    If images can show several labels, `actual` is `(images, labels)`, as from `LabelKind.encode`.
    The keys of `features` indicate whether the statistics of blocks are included. Cross-validation
    chooses between the two. Random choices depend on `pixels_sha256`, text `(images,)`, and not on
    the order of the images.
    """

    features: dict[bool, Features | np.ndarray]
    actual: np.ndarray
    groups: np.ndarray
    pixels_sha256: np.ndarray
    labels: list[str]
    class_weight: str | None = None

    @property
    def kind(self) -> LabelKind:
        """Whether each image is in one class, or can show several labels."""
        return kind_of(self.actual)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.labels)

    @property
    def columns(self) -> int:
        """The largest number of features that a fit may use."""
        return max(math.prod(features.shape[2:]) for features in self.features.values())

    @property
    def strata(self) -> np.ndarray:
        """The class by which each image is sorted, or its rarest label, text `(images,)`."""
        return self.kind.strata(pd.Series(self.kind.decode(self.actual, self.labels))).to_numpy()

    def predictable(self, training: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Return the places in `images` that a fit to the images `training` can predict."""
        shown = self.kind.indicators(self.actual[training], self.classes)
        lacked = self.kind.known(self.actual[training], self.classes) & ~shown
        is_fitted = np.logical_and(shown.any(axis=0), lacked.any(axis=0))
        is_known = is_fitted[self.actual[images]] if self.kind.exclusive else is_fitted.any()
        return np.flatnonzero(np.broadcast_to(is_known, len(images)))

    def metrics(
        self, probabilities: np.ndarray, actual: np.ndarray, weights: np.ndarray | None = None
    ) -> dict[str, float]:
        """Return the weighted log loss and the accuracy for probabilities `(images, classes)`."""
        loss = np.average(self.kind.losses(actual, probabilities), weights=weights)
        is_right = self.kind.are_right(actual, probabilities, self.actual)
        return {"loss": float(loss), "accuracy": float(is_right.mean())}


def open_examples(store: StoredExamples, features: str, class_weight: str | None) -> Examples:
    """Return the training images with the features that `model.features` selects (auto: all)."""
    stored = (False, True) if "blocks" in store.shapes() else (False,)
    choices = {"last": (False,), "blocks": (True,), "auto": stored}[features]
    images = store.images[store.images["split"] == "train"]
    return Examples(
        {has_blocks: _read(store.open("train", *kinds_of(has_blocks))) for has_blocks in choices},
        store.classes("train"),
        images["group"].to_numpy(),
        images["pixels_sha256"].to_numpy(),
        store.labels,
        class_weight,
    )


def _read(features: Features) -> Features | np.ndarray:
    """Return the features as an array, unless they are too many to keep in memory."""
    if math.prod(features.shape) > KEPT:
        return features
    image, view = np.indices(features.shape[:2]).reshape(2, -1)
    return features[image, view].reshape(features.shape)


class Difference(NamedTuple):
    """The difference between the mean log losses of two models on the same images.

    `error` is the standard error of `mean`, computed from the differences in each group of images.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, losses: np.ndarray, other_losses: np.ndarray, groups: np.ndarray) -> Self:
        """Return `losses` minus `other_losses`, all `(images,)`, for at least two groups."""
        gaps = losses - other_losses
        _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        of_groups = np.bincount(group_of, weights=gaps - gaps.mean()) / sizes.mean()
        return cls(float(gaps.mean()), float(of_groups.std(ddof=1) / len(sizes) ** 0.5))

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.error:.4f}"


class CrossValidation(NamedTuple):
    """Predicted probabilities, float32 `(images, classes)`, and the settings of the fits.

    Rows without a prediction are NaN. `views` is the number of views per image, either one or all,
    and `has_blocks` indicates which features of `Examples` are used. `gain` is the difference in
    loss between features with and without blocks, and `views_gain` between all views and one.
    Either is None if it was not tried.
    """

    probabilities: np.ndarray
    C: float
    has_blocks: bool = False
    views: int = 1
    gain: Difference | None = None
    views_gain: Difference | None = None


class Folds(NamedTuple):
    """The fold of each image (the same within a group), and the sorted images for learning."""

    fold: np.ndarray
    learned: np.ndarray


class _Scored(NamedTuple):
    """What the images that are scored show, their weights and groups; `is_predicted` marks them."""

    is_predicted: np.ndarray
    actual: np.ndarray
    weights: np.ndarray
    groups: np.ndarray

    def losses(self, candidate: CrossValidation) -> np.ndarray:
        """Return the weighted log loss of each scored image, float64 `(scored,)`."""
        probabilities = candidate.probabilities[self.is_predicted]
        return self.weights * kind_of(self.actual).losses(self.actual, probabilities)

    def choose(
        self, new: CrossValidation, old: CrossValidation
    ) -> tuple[CrossValidation, Difference]:
        """Return `new` if its loss is lower by more than the standard error, else `old`."""
        gain = Difference.of(self.losses(new), self.losses(old), self.groups)
        return (new if gain.mean < -gain.error else old), gain


def most_rows(columns: int, classes: int) -> int:
    """Return the maximum number of rows with this many features in one fit, given MAX_SIZE."""
    return MAX_SIZE // (columns * classes)


def cross_validate(examples: Examples) -> CrossValidation:
    """Choose C, features and views, and predict each image with a fit that excludes its group.

    When an image is added or removed, nearly all other images stay in their folds (see
    pawprint/base/folds.py).

    C is the value in VALUES_OF_C with the lowest log loss, for fits to the first view, and without
    block features if there is a choice. Values are tried from the lowest until the loss has risen
    by RISE. Only fits with a loss near the lowest are exact, so that all processors choose the same
    C. Block features, with TIMES_WITH_BLOCKS times the C, are added if they lower the log loss by
    more than its standard error. If C is chosen, all views replace the first view under the same
    condition, but they are not tried above MAX_SIZE_OF_VIEWS.

    Predictions use the first view of each image. With more than MAX_CROSS_VALIDATED images, or too
    many for one fit, the fits learn from a random sample. The choices are made on MAX_COMPARED
    images of it, because more of them hardly change a choice. With many classes, the sample exceeds
    the limit, and C is USUAL_C. An image has no prediction if no other group contains its class.
    Raises InputError if no image has a prediction.
    """
    folds = _folds(examples)
    images = np.arange(len(examples.actual))
    learned = len(folds.learned)
    is_chosen = learned <= most_rows(examples.columns, examples.classes)
    no_probabilities = np.empty((0, examples.classes), np.float32)
    first = CrossValidation(no_probabilities, 0, has_blocks=min(examples.features))
    values_of_c: Sequence[float] = [USUAL_C * (TIMES_WITH_BLOCKS if first.has_blocks else 1)]
    if is_chosen:
        values_of_c = VALUES_OF_C
        images = _sample(examples, folds.learned, MAX_COMPARED)
        folds = folds._replace(learned=images)
    fit = fit_regressions if is_chosen else fit_exactly
    path = _predict_folds(examples, folds, images, first, values_of_c, fit)
    candidates = [next(path)]
    is_predicted = ~np.isnan(candidates[0].probabilities[:, 0])
    if not is_predicted.any():
        raise InputError(
            "split: expected training images of at least two classes, with at least two images or "
            "groups in one class and two groups in total. Received: fewer. Add images, or see "
            "split.group and split.near_duplicate_distance."
        )
    scored = images[is_predicted]
    actual = examples.actual[scored]
    weights = sample_weights(examples.class_weight, actual)
    rated = _Scored(is_predicted, actual, weights, examples.groups[scored])
    if is_chosen:
        losses = [rated.losses(candidates[0]).mean()]
        while losses[-1] <= min(losses) * (1 + RISE) and (candidate := next(path, None)):
            losses.append(rated.losses(candidate).mean())
        del path  # with the rows of all folds
        near = [c for c, loss in zip(values_of_c, losses) if loss <= min(losses) * (1 + NEAR_TIE)]
        candidates = [*_predict_folds(examples, folds, images, first, near)]
    best = min(candidates, key=lambda candidate: rated.losses(candidate).mean())
    if len(examples.features) > 1:
        (new,) = _predict_folds(
            examples, folds, images, best._replace(has_blocks=True), (TIMES_WITH_BLOCKS * best.C,)
        )
        best, gain = rated.choose(new, best)
        best = best._replace(gain=gain)
    views = examples.features[first.has_blocks].shape[1]
    size = views * learned * examples.columns * examples.classes
    if is_chosen and views > 1 and size <= MAX_SIZE_OF_VIEWS:
        (new,) = _predict_folds(examples, folds, images, best._replace(views=views), (best.C,))
        best, gain = rated.choose(new, best)
        best = best._replace(views_gain=gain)
    return best if len(images) == len(examples.actual) else cross_validate_as(best, examples)


def learning_curve(
    examples: Examples, cross_validation: CrossValidation
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Cross-validate with an eighth, a quarter, half and all of the images.

    Returns the sorted indices of the scored images, and a mapping from the number of images in a
    fit to float32 probabilities `(scored, classes)`, with NaN for missing predictions. C and the
    features come from `cross_validation`, and the fits use one view. Each part contains the same
    fraction of the groups of every class, at least one group, and is contained in the next larger
    part. If there are too many classes for one fit, the mapping is empty.
    """
    folds = _folds(examples)
    if len(folds.learned) > most_rows(examples.columns, examples.classes):
        return folds.learned, {}
    of_one_view = cross_validation._replace(views=1)
    images = folds.learned
    place = _places_in_curve(examples, images)
    curve = {}
    for fraction in (*PARTS, 1):
        part = images[place < fraction]
        if fraction == 1 and cross_validation.views == 1:
            probabilities = cross_validation.probabilities[images]
        else:
            learned = folds._replace(learned=part)
            (predicted,) = _predict_folds(
                examples, learned, images, of_one_view, (cross_validation.C,)
            )
            probabilities = predicted.probabilities
        curve[round(len(part) * (1 - 1 / FOLDS))] = probabilities
    return images, curve


def _places_in_curve(examples: Examples, images: np.ndarray) -> np.ndarray:
    """Return the position of each image in the learning curve, float64 `(images,)` in [0, 1).

    An image has the position of its group among all groups of its class.
    """
    group = np.unique(examples.groups[images], return_inverse=True)[1]
    keys = smallest_keys(group, examples.pixels_sha256[images])
    stratum = np.unique(examples.strata, return_inverse=True)[1]
    of_class, which = np.unique([stratum[images], group], axis=1, return_inverse=True)
    return draw_places(of_class[0], keys[of_class[1]], "learning curve")[which]


def cross_validate_as(cross_validation: CrossValidation, examples: Examples) -> CrossValidation:
    """Repeat a cross-validation with the same settings, for example with different groups."""
    images = np.arange(len(examples.actual))
    folds = _folds(examples)
    return next(_predict_folds(examples, folds, images, cross_validation, (cross_validation.C,)))


def leave_each_out(
    examples: Examples, cross_validation: CrossValidation, places: np.ndarray
) -> np.ndarray:
    """Predict the images of each place, such as a site, by a fit to at most MAX_COMPARED others.

    `places`, int64 `(images,)`, are numbered from 0, and -1 stands for an image that is learned
    and not predicted. Returns float32 `(images, classes)`, with NaN for missing predictions.
    """
    folds = Folds(places, _sample(examples, _folds(examples).learned, MAX_COMPARED))
    images = np.flatnonzero(places >= 0)
    (found,) = _predict_folds(examples, folds, images, cross_validation, (cross_validation.C,))
    probabilities = np.full((len(places), examples.classes), np.nan, np.float32)
    probabilities[images] = found.probabilities
    return probabilities


def _predict_folds(
    examples: Examples,
    folds: Folds,
    images: np.ndarray,
    settings: CrossValidation,
    values_of_c: Sequence[float],
    fit: Fit = fit_exactly,
) -> Iterator[CrossValidation]:
    """Predict the images with the sorted indices `images`, for each C in increasing order.

    The fits use the features and views in `settings`. All views of an image share its weight.
    """
    numbers = range(folds.fold.max() + 1)
    places = [np.flatnonzero(folds.fold[images] == number) for number in numbers]
    trainings = (folds.learned[folds.fold[folds.learned] != number] for number in numbers)
    paths: Iterable[Iterator[np.ndarray]] = (
        _predict_others(examples, settings, training, images[part], values_of_c, fit)
        for training, part in zip(trainings, places)
    )
    if len(values_of_c) > 1:  # else the rows of a fold are dropped once it is predicted
        paths = [*paths]
    size = len(folds.learned) * examples.columns
    columns = math.prod(examples.features[settings.has_blocks].shape[2:])
    for c in values_of_c:
        probabilities = np.empty((len(images), examples.classes), np.float32)
        with threads_of_fits(1, len(folds.learned) * settings.views, columns):
            map_folds = map_in_threads if size > MIN_SIZE_FOR_THREADS else map
            predicted_folds = map_folds(next, paths)
            for part, predicted in zip(places, predicted_folds):
                probabilities[part] = predicted
        yield settings._replace(probabilities=probabilities, C=c)


def _predict_others(
    examples: Examples,
    settings: CrossValidation,
    training: np.ndarray,
    images: np.ndarray,
    values_of_c: Sequence[float],
    fit: Fit,
) -> Iterator[np.ndarray]:
    """Yield the probabilities of images, float32 `(images, classes)`, by a fit for each C.

    They are NaN for images of a class without training images, or if there is only one class.
    """
    probabilities = np.full((len(images), examples.classes), np.nan, np.float32)
    known = examples.predictable(training, images)
    if not len(known):
        for _ in values_of_c:
            yield probabilities
        return
    features = examples.features[settings.has_blocks]
    views = np.repeat(np.arange(settings.views), len(training))
    learned = np.tile(training, settings.views)
    targets = examples.actual[learned]
    rows = features[learned, views]
    rows = rows.reshape(len(targets), -1).astype(np.float32, copy=False)
    standardisation = standardise(rows)
    weights = sample_weights(examples.class_weight, targets) / settings.views
    probabilities[known] = 0
    for model in fit(rows, targets, weights, values_of_c):
        predicted = predict_rows(model, standardisation, features, images[known])
        probabilities[np.ix_(known, model.classes)] = predicted
        yield probabilities


def predict_rows(
    model: Regression,
    standardisation: Standardisation,
    features: Features | np.ndarray,
    images: np.ndarray,
) -> np.ndarray:
    """Return probabilities for the first view of each image, float32 `(images, classes)`."""
    probabilities = np.empty((len(images), len(model.classes)), np.float32)
    for part in np.array_split(np.arange(len(images)), -(-len(images) // BLOCK)):
        rows = view_of(features, 0, images[part]).astype(np.float32, copy=False)
        standardisation.apply(rows)
        probabilities[part] = model.predict(rows)
    return probabilities


def _folds(examples: Examples) -> Folds:
    """Choose the images for the fits and divide all images into folds.

    The sample has as many images as possible in one fit, or MIN_OF_CLASS times the number of
    classes if that is more, but at most MAX_CROSS_VALIDATED.
    """
    most = most_rows(examples.columns, examples.classes)
    most = min(max(most, MIN_OF_CLASS * examples.classes), MAX_CROSS_VALIDATED)
    fold = draw_folds(examples.strata, examples.groups, examples.pixels_sha256)
    images = np.arange(len(fold))
    return Folds(fold, _sample(examples, images, most))


def _sample(examples: Examples, images: np.ndarray, most: int) -> np.ndarray:
    """Return at most this many of the sorted `images`. A larger sample contains a smaller one."""
    keys = hash_keys(examples.pixels_sha256[images], "cross-validated")
    return np.sort(images[np.argsort(keys, kind="stable")[:most]])


def view_of(features: Features | np.ndarray, view: int, images: np.ndarray) -> np.ndarray:
    """Return one view of each of these images in the stored dtype, `(images, features)`."""
    return features[images, np.full_like(images, view)].reshape(len(images), -1)


def standardise(rows: np.ndarray) -> Standardisation:
    """Standardise float32 rows in place, using their own means and standard deviations."""
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows -= mean
    deviation = np.sqrt(np.einsum("ij,ij->j", rows, rows, dtype=np.float64) / len(rows))
    standardisation = Standardisation.from_moments(mean, deviation)
    rows *= standardisation.scale
    return standardisation
