"""Define heads, and fit linear heads as logistic regressions, without Keras.

The solver is Newton's method with conjugate-gradient steps (Nocedal and Wright, Numerical
Optimization, 2006, section 7.1). Pawprint has its own implementation because importing scikit-learn
takes longer than all fits to a few hundred images, and because its solvers go through all columns
of the rows at every step.

The optimal weights are a weighted sum of the rows. With fewer rows than columns, a fit therefore
searches for one coefficient per row, which only needs the products of rows. The resulting model is
the same.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.files import read_arrays, write_arrays

FLOOR = 0.25  # 0.1 to 0.5 result in about the same loss on seven data sets


def kinds_of(has_blocks: bool) -> tuple[str, ...]:
    """Return the kinds of stored features that a head takes, in the order of their columns."""
    return ("blocks", "top") if has_blocks else ("top",)


class Standardisation(NamedTuple):
    """A factor and then an offset for each feature, both float32 `(features,)`.

    Features are shifted to a mean of 0, scaled to a standard deviation of about 1, and divided by
    the square root of their number. Each image then has a length of about 1, however many features
    there are, so the same penalty on weights and the same learning rate suit all backbones.
    """

    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def from_moments(cls, mean: np.ndarray, deviation: np.ndarray) -> Self:
        """Return the standardisation for training features with this mean and standard deviation.

        Both are float `(features,)`.

        FLOOR times the root mean square of all deviations is added to each of them, in squares.
        Otherwise, a feature that hardly varies in training would be amplified in new images.
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
    """The arrays of a head in Keras' order, with or without block features.

    `views` is the number of views of each training image that the head was trained on.
    """

    arrays: list[np.ndarray]
    standardisation: Standardisation | None
    has_blocks: bool
    views: int

    @property
    def features(self) -> int:
        """The number of features that the head takes."""
        return len(self.arrays[0])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file written by `write`. Raises InputError if it is missing or damaged."""
        arrays = read_arrays(path)
        has_blocks = bool(arrays.pop("has_blocks"))
        views = int(arrays.pop("views", 0))  # unknown in files from earlier versions
        terms = [arrays.pop(name) for name in Standardisation._fields if name in arrays]
        standardisation = Standardisation(*terms) if terms else None
        return cls([*arrays.values()], standardisation, has_blocks, views)

    def write(self, path: Path) -> None:
        """Write all arrays to one file."""
        terms = self.standardisation._asdict() if self.standardisation else {}
        facts = {"has_blocks": np.array(self.has_blocks), "views": np.array(self.views)}
        write_arrays(path, *self.arrays, **facts, **terms)


class NewHead(NamedTuple):
    """Weights, validation metrics after training, the HISTORY table, and the training method.

    The method is text such as "by logistic regression".
    """

    weights: HeadWeights
    validation: dict[str, float]
    history: pd.DataFrame
    method: str


# Stop when a step changes the probabilities of an image of length 1 by at most this much. The
# remaining error is then at most a tenth of it.
TOLERANCE = 1e-3
RESIDUAL = 0.2  # stop at this fraction of the gradient; smaller values take longer overall
MAX_STEPS = 100
MAX_HALVINGS = 30
MAX_DIRECTIONS = 1000


class Regression(NamedTuple):
    """A fitted model: float32 weights `(columns, units)` and intercepts `(units,)`.

    `classes` are the sorted indices of the classes in the data. With two classes there is one unit,
    which outputs the logit of the second class.
    """

    classes: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return float64 probabilities `(rows, classes)` for float32 rows `(rows, columns)`."""
        logits = (rows @ self.weights + self.intercepts).astype(np.float64)
        return np.exp(_log_probabilities(logits))


def fit_regressions(
    rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, values_of_c: Sequence[float]
) -> Iterator[Regression]:
    """Yield a fit for each C, the inverse of the penalty. Each fit starts from the previous one.

    `rows` are float32 `(rows, columns)` with a length of about 1, and `targets` are their class
    indices, from at least two classes. The loss is the sum over all rows, multiplied by `weights`.
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


class _Model(NamedTuple):
    """Coefficients and intercepts `(…, units)`, and the matrix times the coefficients.

    A step from one model to another is also a `_Model`. The arrays are float64, but float32 within
    a step.
    """

    coefficients: np.ndarray
    products: np.ndarray
    intercepts: np.ndarray

    @property
    def logits(self) -> np.ndarray:
        return self.products + self.intercepts

    def plus(self, factor: float, step: "_Model") -> "_Model":
        """Return this model after adding `factor` times a step."""
        return _Model(*(array + factor * other for array, other in zip(self, step)))


class _ColumnSpace:
    """One coefficient per column, which is its weight. The matrix contains the rows."""

    def __init__(self, rows: np.ndarray) -> None:
        self.matrix = rows

    def model(self, coefficients: np.ndarray, intercepts: np.ndarray) -> _Model:
        return _Model(coefficients, _times(self.matrix, coefficients), intercepts)

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the weight of each column."""
        return coefficients

    def gradient(self, derivatives: np.ndarray) -> np.ndarray:
        """Return the coefficients of the gradient, given the loss derivatives by the logits."""
        return _times(self.matrix.T, derivatives)

    def dot(self, coefficients: np.ndarray, model: _Model) -> float:
        """Return the dot product of both sets of weights."""
        return float(np.vdot(coefficients, model.coefficients))


class _RowSpace(_ColumnSpace):
    """One coefficient per row. Weights are sums of rows; the matrix contains their products."""

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
    """The weighted sum of log losses; `is_class` is bool `(rows, classes)`."""

    is_class: np.ndarray
    weights: np.ndarray

    def __call__(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss, and the probabilities of the classes that have a unit."""
        logarithms = _log_probabilities(logits)
        loss = -float((self.weights * logarithms)[self.is_class].sum())
        return loss, np.exp(logarithms[:, -logits.shape[1] :])


def _minimise(space: _ColumnSpace, loss: _Loss, c: float, model: _Model) -> _Model:
    """Minimise the sum of loss and penalty, starting from a given model."""
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
    """Return the Newton step, computed in float32, which takes half the time of float64.

    `weighted` contains the probabilities times the weights of the rows.
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
        change = weighted * (logits - mean)  # derivatives with respect to the logits
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
    """Return the sum of the squared weights and intercepts."""
    intercepts = np.vdot(model.intercepts, model.intercepts)
    return space.dot(model.coefficients, model) + float(intercepts)


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities `(rows, classes)` for logits `(rows, units)`."""
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _times(matrix: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Multiply a float32 matrix with another array, in the dtype of that array."""
    return (matrix @ others.astype(np.float32)).astype(others.dtype)
