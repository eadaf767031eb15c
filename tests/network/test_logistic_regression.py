import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pawprint.network import logistic_regression
from pawprint.network.class_weights import sample_weights
from pawprint.network.cross_validation import VALUES_OF_C, standardise
from pawprint.network.logistic_regression import EXACT, fit_exactly, fit_regressions

ROWS, COLUMNS = 60, 20


def rows_of(classes: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised rows, float32 `(ROWS, columns)`, and classes, half the first class.

    Two rows are equal but have different labels. All columns after COLUMNS are 0.
    """
    rng = np.random.default_rng(0)
    targets = np.where(np.arange(ROWS) < ROWS / 2, 0, 1 + np.arange(ROWS) % (classes - 1))
    points = rng.normal(0, 1, (classes, COLUMNS))[targets]
    rows = (points + rng.normal(0, 1, (ROWS, COLUMNS))).astype(np.float32)
    rows[-1] = rows[0]
    standardise(rows)
    return np.pad(rows, ((0, 0), (0, columns - COLUMNS))), targets


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_fit_is_converged_for_every_c_and_the_same_however_it_is_computed(
    classes, class_weight, capsys
):
    """Sums in another order, and in the space of rows, have other rounding errors."""
    rows, targets = rows_of(classes, COLUMNS)
    wide_rows, _ = rows_of(classes, 2 * ROWS)
    weights = sample_weights(class_weight, targets)
    order = np.random.default_rng(0).permutation(ROWS)
    reference = LogisticRegression(
        class_weight=class_weight, solver="newton-cholesky", tol=1e-10, max_iter=1000
    )
    fits = (
        fit_exactly(rows, targets, weights, VALUES_OF_C),
        fit_exactly(rows[order], targets[order], weights[order], VALUES_OF_C),
        fit_exactly(wide_rows, targets, weights, VALUES_OF_C),
        fit_regressions(rows, targets, weights, VALUES_OF_C),
    )
    for c, model, in_other_order, of_wide_rows, rough in zip(VALUES_OF_C, *fits, strict=True):
        expected = reference.set_params(C=c).fit(rows.astype(float), targets).predict_proba(rows)
        assert model.predict(rows) == pytest.approx(expected, abs=5e-5)
        assert rough.predict(rows) == pytest.approx(expected, abs=5e-4)
        for other in (in_other_order, of_wide_rows):
            assert np.array_equal(other.weights[:COLUMNS], model.weights)
            assert np.array_equal(other.intercepts, model.intercepts)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("columns", [COLUMNS, 2 * ROWS])
def test_fit_for_one_c_is_that_after_others(columns):
    rows, targets = rows_of(3, columns)
    *_, last = fit_exactly(rows, targets, np.ones(ROWS), VALUES_OF_C)
    (alone,) = fit_exactly(rows, targets, np.ones(ROWS), VALUES_OF_C[-1:])
    assert np.array_equal(alone.weights, last.weights)


def test_fit_that_does_not_converge_ends_and_says_so(monkeypatch, capsys):
    rows, targets = rows_of(3, COLUMNS)
    monkeypatch.setattr(logistic_regression, "EXACT", EXACT._replace(tolerance=-1))
    (model,) = fit_exactly(rows, targets, np.ones(ROWS), [100.0])
    assert np.isfinite(model.weights).all()
    assert capsys.readouterr().out.count("did not converge") == 1


@pytest.mark.parametrize("columns", [COLUMNS, 2 * ROWS])
def test_rows_of_zeros_give_the_weighted_fractions_of_the_classes(columns):
    targets = np.where(np.arange(ROWS) < 50, 0, 4)
    for class_weight, expected in ((None, 10 / ROWS), ("balanced", 0.5)):
        weights = sample_weights(class_weight, targets)
        (model,) = fit_exactly(np.zeros((ROWS, columns), np.float32), targets, weights, [100.0])
        assert model.classes.tolist() == [0, 4]
        assert model.predict(np.zeros((1, columns), np.float32))[0, 1] == pytest.approx(
            expected, abs=1e-4
        )
