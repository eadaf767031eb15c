"""Define heads, and fit linear ones as logistic regressions without Keras.

Newton's method, with steps by conjugate gradients (Nocedal and Wright, Numerical Optimization,
2006, section 7.1). It is our own because the import of scikit-learn takes longer than all fits to
a few hundred images, and its solvers pass all columns of the rows at every step.

The optimal weights are a weighted sum of rows. With fewer rows than columns, a fit therefore looks
for a coefficient per row, which only needs the products of rows. The model is the same.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.files import read_arrays, write_arrays

FLOOR = 0.25  # on seven sets, 0.1 to 0.5 give about the same loss, and 0 a higher one


def kinds_of(has_blocks: bool) -> tuple[str, ...]:
    """Return the kinds of stored features that a head takes, side by side."""
    return ("blocks", "top") if has_blocks else ("top",)


class Standardisation(NamedTuple):
    """A factor and then an offset for each feature, float32 `(features,)` each.

    Features get a mean of 0 and a deviation of about 1, and are divided by the root of their
    number. So an image has length 1 for any number of features, and one penalty on weights and one
    learning rate suit all backbones.
    """

    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def from_moments(cls, mean: np.ndarray, deviation: np.ndarray) -> Self:
        """Return the standardisation for training features with this mean and deviation.

        Both are float `(features,)`.

        FLOOR times the root mean square of all deviations is added to each, in squares: a feature
        that hardly differs in training would be amplified in new images.
        """
        least = FLOOR * np.sqrt(np.square(deviation).mean())
        deviation = np.hypot(deviation, least) * np.sqrt(len(deviation))
        scale = 1 / np.where(deviation > 0, deviation, 1)
        return cls(scale.astype(np.float32), (-mean * scale).astype(np.float32))

    def apply(self, rows: np.ndarray) -> None:
        """Standardise float32 `(rows, features)` in place."""
        rows *= self.scale
        rows += self.offset


class HeadWeights(NamedTuple):
    """The arrays of a head in Keras' order, for features of blocks or of the last maps alone."""

    arrays: list[np.ndarray]
    standardisation: Standardisation | None
    has_blocks: bool

    @property
    def features(self) -> int:
        """The number of features that the head takes."""
        return len(self.arrays[0])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that `write` wrote. Raises InputError if it is missing or damaged."""
        arrays = read_arrays(path)
        has_blocks = bool(arrays.pop("has_blocks"))
        terms = [arrays.pop(name) for name in Standardisation._fields if name in arrays]
        return cls([*arrays.values()], Standardisation(*terms) if terms else None, has_blocks)

    def write(self, path: Path) -> None:
        """Write the arrays to one file."""
        terms = self.standardisation._asdict() if self.standardisation else {}
        write_arrays(path, *self.arrays, has_blocks=np.array(self.has_blocks), **terms)


class NewHead(NamedTuple):
    """Weights, validation metrics after training, the table HISTORY, and the method.

    The method is a text such as "by logistic regression".
    """

    weights: HeadWeights
    validation: dict[str, float]
    history: pd.DataFrame
    method: str


# The most by which the last step changes a probability of an image of length 1. The error that is
# left after it is a tenth of this at most.
TOLERANCE = 1e-3
RESIDUAL = 0.2  # of the gradient, at which a step is good enough; less takes longer in all
MAX_STEPS = 100
MAX_HALVINGS = 30
MAX_DIRECTIONS = 1000


class Regression(NamedTuple):
    """A fitted model: float32 weights `(columns, units)` and intercepts `(units,)`.

    `classes` are the sorted indices of the classes with rows. Two classes have one unit, the logit
    of the second.
    """

    classes: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return float64 probabilities `(rows, classes)` of float32 rows `(rows, columns)`."""
        logits = (rows @ self.weights + self.intercepts).astype(np.float64)
        return np.exp(_log_probabilities(logits))


def fit_regressions(
    rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, values_of_c: Sequence[float]
) -> Iterator[Regression]:
    """Yield the fit for each C, the inverse of the penalty. Each starts from the fit before.

    `rows` are float32 `(rows, columns)` of length 1 or so, and `targets` the class index of each,
    of two classes or more. The loss is a sum over the rows, with `weights`.
    """
    classes, numbers = np.unique(targets, return_inverse=True)
    loss = _Loss(numbers[:, None] == np.arange(len(classes)), weights[:, None])
    space = _RowSpace(rows) if len(rows) < rows.shape[1] else _ColumnSpace(rows)
    units = len(classes) if len(classes) > 2 else 1
    model = space.model(np.zeros((space.matrix.shape[1], units)), np.zeros(units))
    for c in values_of_c:
        model = _minimise(space, loss, c, model)
        coefficients = space.weights(model.coefficients).astype(np.float32)
        yield Regression(classes, coefficients, model.intercepts.astype(np.float32))


def balanced_weights(targets: np.ndarray) -> dict[int, float]:
    """Return the weight of each class, inversely proportional to its images.

    A weight of 1 is for an average number of images, as in scikit-learn's `compute_class_weight`.
    """
    classes, images = np.unique(targets, return_counts=True)
    weights = len(targets) / (len(classes) * images)
    return dict(zip(classes.astype(int).tolist(), weights.tolist()))


def sample_weights(class_weight: str | None, targets: np.ndarray) -> np.ndarray:
    """Return the weight of each image in the loss, float64 `(images,)`, with a mean of 1.

    With "balanced" all classes that have images weigh the same, with None all images.
    """
    if class_weight is None:
        return np.ones(len(targets))
    numbers = np.unique(targets, return_inverse=True)[1]
    return np.array([*balanced_weights(targets).values()])[numbers]


class _Model(NamedTuple):
    """Coefficients and intercepts `(…, units)`, and the matrix times the coefficients.

    A step from one model to another is one, too. All are float64, or float32 within a step.
    """

    coefficients: np.ndarray
    products: np.ndarray
    intercepts: np.ndarray

    @property
    def logits(self) -> np.ndarray:
        return self.products + self.intercepts

    def plus(self, factor: float, step: "_Model") -> "_Model":
        """Return this model after `factor` times a step."""
        return _Model(*(array + factor * other for array, other in zip(self, step)))


class _ColumnSpace:
    """A coefficient for each column, its weight. The matrix has the rows."""

    def __init__(self, rows: np.ndarray) -> None:
        self.matrix = rows

    def model(self, coefficients: np.ndarray, intercepts: np.ndarray) -> _Model:
        return _Model(coefficients, _times(self.matrix, coefficients), intercepts)

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the weight of each column."""
        return coefficients

    def gradient(self, derivatives: np.ndarray) -> np.ndarray:
        """Return the coefficients of the gradient, from the derivatives of the loss by logits."""
        return _times(self.matrix.T, derivatives)

    def dot(self, coefficients: np.ndarray, model: _Model) -> float:
        """Return the sum of the products of the weights of both."""
        return float(np.vdot(coefficients, model.coefficients))


class _RowSpace(_ColumnSpace):
    """A coefficient for each row; weights are a sum of rows. The matrix has products of rows."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.matrix = rows @ rows.T

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        return _times(self.rows.T, coefficients)

    def gradient(self, derivatives: np.ndarray) -> np.ndarray:
        return derivatives

    def dot(self, coefficients: np.ndarray, model: _Model) -> float:
        return float(np.vdot(coefficients, model.products))


class _Loss(NamedTuple):
    """The weighted sum of log losses. bool `(rows, classes)`, float64 `(rows, 1)`."""

    is_class: np.ndarray
    weights: np.ndarray

    def __call__(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss, and the probabilities of the classes that have a unit."""
        logarithms = _log_probabilities(logits)
        loss = -float((self.weights * logarithms)[self.is_class].sum())
        return loss, np.exp(logarithms[:, -logits.shape[1] :])


def _minimise(space: _ColumnSpace, loss: _Loss, c: float, model: _Model) -> _Model:
    """Return the model with the lowest sum of loss and penalty, found from another model."""
    log_loss, probabilities = loss(model.logits)
    objective = log_loss + space.dot(model.coefficients, model) / (2 * c)
    is_unit = loss.is_class[:, -len(model.intercepts) :]
    for _ in range(MAX_STEPS):
        derivatives = loss.weights * (probabilities - is_unit)
        slopes = space.gradient(derivatives) + model.coefficients / c
        gradient = (slopes, derivatives.sum(axis=0))
        step = _step(space, loss.weights * probabilities, probabilities, c, gradient)
        decrease = -space.dot(gradient[0], step) - float(gradient[1] @ step.intercepts)
        for factor in 0.5 ** np.arange(MAX_HALVINGS):
            new = model.plus(factor, step)
            log_loss, probabilities = loss(new.logits)
            new_objective = log_loss + space.dot(new.coefficients, new) / (2 * c)
            if new_objective <= objective * (1 + 1e-6) - 1e-4 * factor * decrease:
                break
        model = new
        objective = new_objective
        # The penalty bounds the length of the step: its square is at most `c * decrease`.
        if factor == 1 and math.sqrt(max(c * decrease, 0)) / 4 <= TOLERANCE:
            break
    return model


def _step(
    space: _ColumnSpace,
    weighted: np.ndarray,
    probabilities: np.ndarray,
    c: float,
    gradient: tuple[np.ndarray, np.ndarray],
) -> _Model:
    """Return Newton's step, found in float32, which takes half of the time of float64.

    `weighted` are the probabilities times the weights of the rows.
    """
    weighted = weighted.astype(np.float32)
    probabilities = probabilities.astype(np.float32)
    residual = direction = space.model(*(-part.astype(np.float32) for part in gradient))
    step = direction.plus(-1, direction)
    size = first = _square(space, residual)
    for _ in range(MAX_DIRECTIONS):
        if size <= RESIDUAL**2 * first:
            break
        logits = direction.logits
        mean = (probabilities * logits).sum(axis=1, keepdims=True)
        change = weighted * (logits - mean)  # of the derivatives by logits
        curvature = float(np.vdot(logits, change))
        curvature += space.dot(direction.coefficients, direction) / c
        factor = size / curvature
        step = step.plus(factor, direction)
        slopes = space.gradient(change) + direction.coefficients / c
        residual = space.model(
            residual.coefficients - factor * slopes,
            residual.intercepts - factor * change.sum(axis=0),
        )
        new_size = _square(space, residual)
        direction = residual.plus(new_size / size, direction)
        size = new_size
    return space.model(step.coefficients.astype(float), step.intercepts.astype(float))


def _square(space: _ColumnSpace, model: _Model) -> float:
    """Return the sum of the squares of its weights and intercepts."""
    intercepts = np.vdot(model.intercepts, model.intercepts)
    return space.dot(model.coefficients, model) + float(intercepts)


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return logarithms of probabilities `(rows, classes)` from logits `(rows, units)`."""
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _times(matrix: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the product of a float32 matrix and others, in the dtype of the others."""
    return (matrix @ others.astype(np.float32)).astype(others.dtype)
