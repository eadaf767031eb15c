"""Fit linear heads as logistic regressions, without Keras.

The solver is Newton's method with conjugate-gradient steps (Nocedal and Wright, Numerical
Optimization, 2006, section 7.1). Pawprint has its own implementation because importing scikit-learn
takes longer than all fits to a few hundred images, and because its solvers go through all columns
of the rows at every step.

Once a fit has taken many directions, the Hessian of a sample of rows preconditions the others.

The optimal weights are a weighted sum of the rows. With fewer rows than columns, but at least
MIN_ROWS, a fit therefore searches for one coefficient per row, which only needs the products of
rows. The resulting model is the same.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Self

import numpy as np
from threadpoolctl import ThreadpoolController

from pawprint.base.labels import kind_of, sigmoid
from pawprint.base.rounding import to_step

MAX_HALVINGS = 30
MAX_DIRECTIONS = 300  # of a step; if they do not suffice, the next step continues
# With fewer rows, a fit searches for the weights of columns. The sum of standardised rows is nearly
# 0, and steps in float32 along it, by products of rows, end before the gradient does.
MIN_ROWS = 50
MIN_PRECONDITIONED = 2**23  # values of all rows; most fits to fewer take less than two seconds
SAMPLE = 10_000  # maximum number of rows in the sample
TINY = 2.0**-126  # the smallest normal float32: no length is divided by 0
BLOCK = 2**18  # number of values that are converted to float64 at once


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
        return np.exp(_log_probabilities(self.logits(rows)))

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """Return float64 logits `(rows, units)`, like `predict`."""
        return multiply(rows, self.weights.astype(np.float64)) + self.intercepts


class LabelRegression(Regression):
    """A model of labels that do not exclude each other; each has a unit. `classes` are all."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability of each label, like `Regression`."""
        return sigmoid(self.logits(rows))


@contextlib.contextmanager
def threads_of_fits(number: int, rows: int, columns: int) -> Iterator[None]:
    """Limit the threads of the fits in the block, which have at most so many rows and columns."""
    with _libraries(_may_be_preconditioned(rows, columns)).limit(limits=number):
        yield


@functools.cache  # because finding the libraries takes longer than a small fit
def _libraries(has_solver: bool) -> ThreadpoolController:
    """Return the loaded libraries that have threads.

    One that is imported later would not be limited, so SciPy's solver is imported before. It is
    slow to import, and often not needed.
    """
    if has_solver:
        import scipy.linalg  # noqa: F401
    return ThreadpoolController()


def _may_be_preconditioned(rows: int, columns: int) -> bool:
    """Return whether a fit is large and searches for the weights of columns."""
    return rows >= columns and rows * columns >= MIN_PRECONDITIONED


def fit_regressions(
    rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, values_of_c: Sequence[float]
) -> Iterator[Regression]:
    """Yield a fit for each C, the inverse of the penalty. Each fit starts from the previous one.

    `rows` are float32 `(rows, columns)` with a length of about 1, and `targets` are their class
    indices, from at least two classes, or `(rows, labels)` as from `LabelKind.encode`, of which
    some rows have at least one label, and others are known not to. The loss is the sum over all
    rows, multiplied by `weights`, of what is known. These fits are for comparing values of C: their
    probabilities differ from the optimum by about 1e-4, and between processors.
    """
    problem = _Problem.of(rows, targets, weights)
    model = problem.start()
    for c in values_of_c:
        model = _minimise(problem, _Preconditioner(problem.space, c), model, ROUGH)
        yield problem.loss.regression(problem.space.weights(model.coefficients), model.intercepts)


def fit_exactly(
    rows: np.ndarray, targets: np.ndarray, weights: np.ndarray, values_of_c: Sequence[float]
) -> Iterator[Regression]:
    """Yield a fit for each C, which is the same on every processor (docs/pipeline.md).

    The arguments are as in `fit_regressions`. The minimum is found in float64, so exactly that
    processors differ by far less than the step to which weights and intercepts are then rounded.
    """
    problem = _Problem.of(rows, targets, weights)
    model = problem.start()
    for c in values_of_c:
        precondition = _Preconditioner(problem.space, c)
        model = _minimise(problem, precondition, model, NEAR)
        exact = _minimise(problem, precondition, problem.space.exactly(model), EXACT)
        intercepts = problem.loss.centred(exact.intercepts)
        arrays = problem.space.weights(exact.coefficients), intercepts
        yield problem.loss.regression(*to_step(*arrays))


Pair = tuple[np.ndarray, np.ndarray]  # coefficients and intercepts


class _Model(NamedTuple):
    """Coefficients and intercepts `(…, units)`, and the products of the rows with the weights.

    The arrays are all float32 or all float64. A step from one model to another is also a `_Model`.
    """

    coefficients: np.ndarray
    products: np.ndarray
    intercepts: np.ndarray

    @property
    def logits(self) -> np.ndarray:
        return self.products + self.intercepts

    def plus(self, factor: float | np.ndarray, step: "_Model") -> "_Model":
        """Return this model after adding `factor`, of all units or of each, times a step."""
        return _Model(*(array + factor * other for array, other in zip(self, step)))


class _ColumnSpace:
    """One coefficient per column, which is its weight."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.size = rows.shape[1]

    def model(self, coefficients: np.ndarray, intercepts: np.ndarray) -> _Model:
        return _Model(coefficients, self.products(coefficients), intercepts)

    def exactly(self, model: _Model) -> _Model:
        """Return the same model in float64, with products that are exact enough for it."""
        return self.model(
            model.coefficients.astype(np.float64), model.intercepts.astype(np.float64)
        )

    def products(self, coefficients: np.ndarray) -> np.ndarray:
        return multiply(self.rows, self.weights(coefficients))

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the weight of each column."""
        return coefficients

    def gradient(self, derivatives: np.ndarray) -> np.ndarray:
        """Return the coefficients of the gradient, given the loss derivatives by the logits."""
        return _multiply_transposed(self.rows, derivatives)

    def dual(self, model: _Model) -> np.ndarray:
        """Return the array whose dot product with coefficients is that of both sets of weights."""
        return model.coefficients

    def dot(self, coefficients: np.ndarray, model: _Model) -> float:
        """Return the dot product of both sets of weights."""
        return float(np.vdot(coefficients, self.dual(model)))


class _RowSpace(_ColumnSpace):
    """One coefficient per row. Weights are sums of rows."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.size = len(rows)
        self.squares = rows @ rows.T

    def products(self, coefficients: np.ndarray) -> np.ndarray:
        if coefficients.dtype == np.float64:  # float32 products of rows would not be exact enough
            return super().products(coefficients)
        return self.squares @ coefficients

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        return _multiply_transposed(self.rows, coefficients)

    def gradient(self, derivatives: np.ndarray) -> np.ndarray:
        return derivatives

    def dual(self, model: _Model) -> np.ndarray:
        return model.products


class _Preconditioner:
    """Roughly solves the equations of the steps for one C, to save directions.

    The Hessian of a sample of rows is inverted once, when a fit has taken so many directions that
    it will probably take as many again. Until then, the equations stay as they are.
    """

    def __init__(self, space: _ColumnSpace, c: float) -> None:
        self.space = space
        self.c = c
        self.directions = 0
        self.solve: Callable[[np.ndarray], np.ndarray] | None = None
        self.curvature = 1.0
        rows, columns = space.rows.shape
        # Inverting takes as long as about so many directions. Those of few rows are fast.
        self.enough = max(25, columns**2 / (16 * rows))
        if not _may_be_preconditioned(rows, columns):
            self.enough = math.inf

    def prepare(self, weighted: np.ndarray, probabilities: np.ndarray) -> None:
        """Invert the Hessian, if it is time.

        `weighted` and `probabilities` are as in `_step`, float32. All units share the mean of their
        curvatures. In float32, the penalty has to be large enough for a Cholesky decomposition.
        """
        if self.solve or self.directions < self.enough:
            return
        from scipy.linalg import LinAlgError, blas, cho_factor, cho_solve

        rows = self.space.rows
        every = -(-len(rows) // SAMPLE)
        curvatures = (weighted * (1 - probabilities)).mean(axis=1)
        rows, roots = rows[::every], np.sqrt(every * curvatures[::every, None])
        hessian = np.zeros((rows.shape[1], rows.shape[1]), np.float32, "F")
        for start in range(0, len(rows), 256):  # a copy of all rows would take memory
            part = slice(start, start + 256)
            hessian = blas.ssyrk(1, (roots[part] * rows[part]).T, 1, hessian, overwrite_c=True)
        diagonal = np.einsum("ii->i", hessian)
        diagonal += max(1 / self.c, 1e-6 * float(diagonal.sum()))
        try:
            factor = cho_factor(hessian, overwrite_a=True)
        except LinAlgError:  # the fit goes on as before
            self.enough = math.inf
            return
        self.solve = partial(cho_solve, factor, check_finite=False)
        self.curvature = curvatures.sum()

    def __call__(self, coefficients: np.ndarray, intercepts: np.ndarray) -> Pair:
        self.directions += 1
        if not self.solve:
            return coefficients, intercepts
        return self.solve(coefficients), intercepts / self.curvature


class _Loss(NamedTuple):
    """The weighted sum of log losses; `is_class` is bool `(rows, classes)`.

    `classes` are the sorted class indices. `is_unit` has the columns of `is_class` with a unit.
    `weights` are `(rows, 1)`, or `(rows, units)` for labels, of which 0 for those that are not
    known. `constant` has the intercepts of labels without a unit, `(labels,)`.
    """

    is_class: np.ndarray
    is_unit: np.ndarray
    weights: np.ndarray
    classes: np.ndarray
    constant: np.ndarray = np.empty(0)

    def __call__(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss, and the float64 probabilities of the classes that have a unit."""
        logarithms = _log_probabilities(logits.astype(np.float64))
        loss = -float((self.weights * logarithms)[self.is_class].sum())
        return loss, np.exp(logarithms[:, -logits.shape[1] :])

    def means(self, probabilities: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the mean that is subtracted from the logits in the derivatives by them."""
        return (probabilities * logits).sum(axis=1, keepdims=True)

    def dot(self, array: np.ndarray, other: np.ndarray) -> float | np.ndarray:
        """Return one dot product for all units, which therefore share the length of a step."""
        return float(np.vdot(array, other))

    def centred(self, intercepts: np.ndarray) -> np.ndarray:
        """Shift intercepts, or their derivatives, to a mean of 0, unless there is only one unit.

        A shift of all intercepts changes no probability, so rounding errors would decide it.
        """
        return intercepts - intercepts.mean() if len(intercepts) > 1 else intercepts

    def regression(self, weights: np.ndarray, intercepts: np.ndarray) -> Regression:
        """Return the model with the weights and intercepts of the units."""
        return Regression(self.classes, weights, intercepts)


class _LabelLoss(_Loss):
    """The weighted sum of the log losses of all labels, which do not exclude each other.

    `is_class` is bool `(rows, labels)`. `classes` are the labels that some of the rows have, and
    others are known not to have: only these have units.
    """

    def __call__(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss, and the float64 probabilities of the labels that have a unit."""
        logits = logits.astype(np.float64)
        signed = np.where(self.is_unit, -logits, logits)
        return float((self.weights * np.logaddexp(0, signed)).sum()), sigmoid(logits)

    def means(self, probabilities: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return what is subtracted from the logits in the derivatives by them."""
        return probabilities * logits

    def dot(self, array: np.ndarray, other: np.ndarray) -> float | np.ndarray:
        """Return the dot product of each unit, because they do not depend on each other."""
        return (array * other).reshape(-1, array.shape[-1]).sum(axis=0)

    def centred(self, intercepts: np.ndarray) -> np.ndarray:
        """Return intercepts, or their derivatives, of which each decides probabilities."""
        return intercepts

    def regression(self, weights: np.ndarray, intercepts: np.ndarray) -> Regression:
        """Return the model of all labels."""
        of_all = self.constant.astype(intercepts.dtype)
        of_all[self.classes] = intercepts
        columns = np.zeros((len(weights), len(of_all)), weights.dtype)
        columns[:, self.classes] = weights
        return LabelRegression(np.arange(len(of_all)), columns, of_all)


class _Problem(NamedTuple):
    """A regression to fit: the loss, and the space of coefficients."""

    loss: _Loss
    space: _ColumnSpace

    @classmethod
    def of(cls, rows: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Self:
        if kind_of(targets).exclusive:
            classes, numbers = np.unique(targets, return_inverse=True)
            is_class = numbers[:, None] == np.arange(len(classes))
            is_unit = is_class if len(classes) > 2 else is_class[:, -1:]
            loss = _Loss(is_class, is_unit, weights[:, None], classes)
        else:
            is_class, is_known = targets == 1, targets >= 0
            classes = np.flatnonzero(is_class.any(axis=0) & (targets == 0).any(axis=0))
            # The optimal intercept of a label that no row has, or every row, is infinite. It is
            # replaced by one that counts another half of a row with the label, and half without.
            images = weights @ is_known
            constant = np.where(is_class.any(axis=0), 1, -1) * np.log(2 * images + 1)
            weights = weights[:, None] * is_known[:, classes]
            loss = _LabelLoss(is_class, is_class[:, classes], weights, classes, constant)
        space = _RowSpace if MIN_ROWS <= len(rows) < rows.shape[1] else _ColumnSpace
        return cls(loss, space(rows))

    def start(self) -> _Model:
        """Return a float32 model of zeros."""
        units = self.loss.is_unit.shape[1]
        coefficients = np.zeros((self.space.size, units), np.float32)
        return self.space.model(coefficients, np.zeros(units, np.float32))


class _Precision(NamedTuple):
    """The type of the numbers, and when to stop.

    Newton's method stops after a step that changes no weight by more than `tolerance`, or after
    `steps`. The equations of a step are solved up to the fraction `residual` of the gradient, in
    the norm of the preconditioner, so the remaining error of the weights is about `tolerance *
    residual`.
    """

    dtype: type[np.floating]
    tolerance: float
    residual: float
    steps: int


ROUGH = _Precision(np.float32, 4e-3, 0.2, 100)  # smaller residuals take longer overall
NEAR = _Precision(np.float32, 0.1, 0.2, 30)  # from here, EXACT is as fast
EXACT = _Precision(np.float64, 1e-8, 1e-3, 12)  # 3 or 4 steps suffice


def _minimise(
    problem: _Problem, precondition: _Preconditioner, model: _Model, precision: _Precision
) -> _Model:
    """Minimise the sum of loss and penalty, starting from a model of this precision."""
    space, loss, c = problem.space, problem.loss, precondition.c
    log_loss, probabilities = loss(model.logits)
    objective = log_loss + space.dot(model.coefficients, model) / (2 * c)
    for _ in range(precision.steps):
        derivatives = (loss.weights * (probabilities - loss.is_unit)).astype(precision.dtype)
        slopes = space.gradient(derivatives) + model.coefficients / c
        gradient = (slopes, loss.centred(derivatives.sum(axis=0)))
        weighted = loss.weights * probabilities
        step = _step(problem, precondition, weighted, probabilities, gradient, precision.residual)
        decrease = -space.dot(gradient[0], step) - float(gradient[1] @ step.intercepts)
        for factor in 0.5 ** np.arange(MAX_HALVINGS):
            new = model.plus(float(factor), step)
            log_loss, probabilities = loss(new.logits)
            new_objective = log_loss + space.dot(new.coefficients, new) / (2 * c)
            if new_objective <= objective * (1 + 1e-6) - 1e-4 * factor * decrease:
                break
        model = new
        objective = new_objective
        # The penalty bounds the length of the step: its square is at most `c * decrease`.
        if factor == 1 and math.sqrt(max(c * decrease, 0)) <= precision.tolerance:
            return model
    if precision is not NEAR:  # after which EXACT goes on
        print(
            f"The logistic regression with C {c:g} on {len(space.rows):,} rows did not converge, "
            "so other computers may find other weights."
        )
    return model


def _step(
    problem: _Problem,
    precondition: _Preconditioner,
    weighted: np.ndarray,
    probabilities: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray],
    least: float,
) -> _Model:
    """Return the Newton step, computed in float32, which takes half the time of float64.

    `weighted` contains the probabilities times the weights of the rows. The step has the type of
    the gradient, of which the fraction `least` is left.
    """
    space, loss, c = problem.space, problem.loss, precondition.c
    weighted = weighted.astype(np.float32)
    probabilities = probabilities.astype(np.float32)
    precondition.prepare(weighted, probabilities)
    # In float32, the square of a small gradient would be 0.
    scale = max(float(np.abs(part).max()) for part in gradient) or 1.0
    residual: list[np.ndarray] = [(-part / scale).astype(np.float32) for part in gradient]
    direction = space.model(*precondition(*residual))
    step = direction.plus(-1, direction)
    size = _dot(problem, residual, direction)
    enough = least**2 * float(np.mean(size))
    for _ in range(MAX_DIRECTIONS):
        is_far = size > enough
        if not np.any(is_far):
            break
        logits = direction.logits
        means = loss.means(probabilities, logits)
        change = weighted * (logits - means)  # derivatives with respect to the logits
        curvature = loss.dot(logits, change)
        curvature += loss.dot(direction.coefficients, space.dual(direction)) / c
        factor = is_far * size / (curvature + TINY)
        step = step.plus(factor, direction)
        slopes = space.gradient(change) + direction.coefficients / c
        changes = slopes, loss.centred(change.sum(axis=0))
        residual = [part - factor * each for part, each in zip(residual, changes)]
        better = space.model(*precondition(*residual))
        new_size = _dot(problem, residual, better)
        direction = better.plus(new_size / (size + TINY), direction)
        size = new_size
    if gradient[0].dtype == np.float32:
        return _Model(*(scale * array for array in step))
    return space.exactly(_Model(*(scale * array.astype(np.float64) for array in step)))


def _dot(problem: _Problem, gradient: Sequence[np.ndarray], model: _Model) -> float | np.ndarray:
    """Return the dot product of coefficients and intercepts with a model's, as `_Loss.dot`."""
    coefficients, intercepts = gradient
    dot, dual = problem.loss.dot, problem.space.dual(model)
    return dot(coefficients, dual) + dot(intercepts, model.intercepts)


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return log probabilities `(rows, classes)` for logits `(rows, units)`."""
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def multiply(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return `rows @ others` in the dtype of `others`, for float32 rows.

    Rows are converted in blocks, because a float64 copy of all of them could take gigabytes.
    """
    if others.dtype == rows.dtype:
        return rows @ others
    return np.concatenate([rows[block].astype(others.dtype) @ others for block in _blocks(rows)])


def _multiply_transposed(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return `rows.T @ others` as in `multiply`."""
    if others.dtype == rows.dtype:
        return rows.T @ others
    result = np.zeros((rows.shape[1], others.shape[1]), others.dtype)
    for block in _blocks(rows):
        result += rows[block].astype(others.dtype).T @ others[block]
    return result


def _blocks(rows: np.ndarray) -> Iterator[slice]:
    """Yield parts of the rows with about BLOCK values."""
    number = max(BLOCK // rows.shape[1], 1)
    return (slice(start, start + number) for start in range(0, len(rows), number))
