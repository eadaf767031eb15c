import contextlib
import os
import shutil
from unittest.mock import Mock

import numpy as np
import pytest
from conftest import PROJECT, run, succeed
from made_up_examples import examples_of
from networks import write_features
from sklearn.linear_model import LogisticRegression

from pawprint.base.folds import FOLDS
from pawprint.base.imbalance import sample_weights
from pawprint.network import cross_validation as validation
from pawprint.network import logistic_regression
from pawprint.network.cross_validation import (
    TIMES_WITH_BLOCKS,
    VALUES_OF_C,
    CrossValidation,
    Examples,
    cross_validate,
    cross_validate_as,
    open_examples,
    standardise,
)
from pawprint.network.logistic_regression import EXACT, _ColumnSpace, fit_exactly, fit_regressions
from pawprint.network.new_head import NewHead, solve
from pawprint.network.store import stored_examples


def clusters(classes: int, images: int, views: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return float16 features `(images, views, 12)`, clustered by class, and the classes.

    The columns have very different scales, and one is constant.
    """
    rng = np.random.default_rng(0)
    actual = np.arange(images) % classes
    points = rng.normal(0, 1, (classes, 12))[actual]
    features = points[:, None] + rng.normal(0, 1, (images, views, 12))
    features = features * np.geomspace(0.01, 100, 12) + 5
    features[..., 3] = 2.5
    return features.astype(np.float16), actual


def probabilities_by(solution: NewHead, features: np.ndarray) -> np.ndarray:
    """Apply a dense layer to the standardised features, and return `(images, classes)`."""
    rows = features.astype(np.float32)
    solution.weights.standardisation.apply(rows)
    logits = rows @ solution.weights.arrays[0] + solution.weights.arrays[1]
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_layer_is_that_of_scikit_learn_and_has_the_loss_and_accuracy_that_are_recorded(classes):
    """Both views of an image weigh as one image."""
    features, actual = clusters(classes, 120)
    examples = examples_of({False: features}, actual, np.arange(120), classes)
    cross_validation = cross_validate(examples)._replace(views=2)
    solution = solve(examples, (features, actual), cross_validation, np.arange(120))
    units = 1 if classes == 2 else classes
    assert [array.shape for array in solution.weights.arrays] == [(12, units), (units,)]
    assert {array.dtype for array in solution.weights.arrays} == {np.dtype(np.float32)}
    both, twice = features.reshape(-1, 12), np.repeat(actual, 2)
    of_both = probabilities_by(solution, both)
    standardisation = solution.weights.standardisation
    rows = both.astype(np.float64) * standardisation.scale + standardisation.offset
    plain = LogisticRegression(C=cross_validation.C, solver="newton-cholesky", tol=1e-10)
    expected = plain.fit(rows, twice, np.full(len(rows), 1 / 2)).predict_proba(rows)
    assert of_both == pytest.approx(expected, abs=2e-4)
    measured = examples.metrics(of_both[::2], actual)
    assert solution.validation == pytest.approx(measured, rel=1e-3)
    assert solution.history[["epoch", "kept"]].to_numpy().tolist() == [[0, True]]
    last = solution.history.iloc[-1]
    assert last["validation_loss"] == solution.validation["loss"]
    of_views = tuple(examples.metrics(of_both, twice).values())
    assert (last["loss"], last["accuracy"]) == pytest.approx(of_views, rel=1e-3)


@pytest.mark.parametrize("is_better", [True, False])
def test_more_features_are_learned_from_only_if_they_lower_the_loss_by_more_than_its_error(
    is_better,
):
    """The additional features are texture in the first case, and noise in the second."""
    rng, (features, actual) = np.random.default_rng(2), clusters(2, 60)
    others = rng.normal(0, 1, (60, 2, 12)) + (3 * actual[:, None, None] if is_better else 0)
    more = np.concatenate([features, others.astype(np.float16)], axis=2)
    examples = examples_of({False: features, True: more}, actual, np.arange(60), 2)
    cross_validation = cross_validate(examples)
    assert (
        cross_validation.has_blocks
        == is_better
        == (cross_validation.gain.mean < -cross_validation.gain.error)
    )
    without = cross_validate(examples_of({False: features}, actual, np.arange(60), 2))
    times = TIMES_WITH_BLOCKS if is_better else 1
    assert without.C * times == cross_validation.C
    columns = more if is_better else features
    solution = solve(examples, (columns, actual), cross_validation, np.arange(60))
    assert len(solution.weights.arrays[0]) == columns.shape[2]
    of_columns = examples_of({False: columns}, actual, np.arange(60), 2)
    alone = cross_validate_as(CrossValidation(None, cross_validation.C), of_columns)
    judged = cross_validate_as(cross_validation._replace(views=1), examples)
    assert np.array_equal(judged.probabilities, alone.probabilities)


def test_feature_that_hardly_differs_in_training_moves_no_prediction_of_a_new_image():
    features, actual = clusters(2, 60, 1)
    features[..., 3] += np.arange(60)[:, None] % 2 * 0.01
    examples = examples_of({False: features}, actual, np.arange(60), 2)
    solution = solve(examples, (features, actual), cross_validate(examples), np.arange(60))
    new = features[:, 0].copy()
    new[:, 3] += 1  # 100 times the difference between two training images
    before, after = (probabilities_by(solution, rows) for rows in (features[:, 0], new))
    assert np.abs(after - before).max() < 0.01


def test_inverse_penalty_is_the_one_with_the_lowest_weighted_cross_validated_loss():
    rng, losses = np.random.default_rng(3), {}
    actual = (np.arange(90) % 9 == 0).astype(int)
    features = (rng.normal(0, 1, (90, 1, 20)) + 0.4 * actual[:, None, None]).astype(np.float16)
    examples = examples_of({False: features}, actual, np.arange(90), 2, "balanced")
    for c in VALUES_OF_C:
        of_one = cross_validate_as(CrossValidation(None, c), examples)
        weights = np.where(actual == 1, 80 / 10, 1)
        losses[c] = examples.metrics(of_one.probabilities, actual, weights)["loss"]
    best = cross_validate(examples)
    assert losses[best.C] == min(losses.values())


def test_image_is_judged_by_a_model_that_learned_neither_from_it_nor_its_group():
    """Copies of one image are far from all others. A model that knew one could predict another."""
    actual = np.append(np.arange(100) % 2, [0, 0, 0])
    features = np.stack([2.0 * actual - 1, np.zeros(103)], axis=1)
    features[100:] = (1, 5)
    groups = np.append(np.arange(100), [100, 100, 100])
    features = {False: features[:, None]}
    judged = cross_validate(examples_of(features, actual, groups, 2))
    assert (judged.probabilities[100:, 0] < 0.5).all()
    divided = cross_validate(examples_of(features, actual, np.arange(103), 2))
    assert (divided.probabilities[100:, 0] > 0.5).any()


@pytest.mark.parametrize(("limit", "is_chosen"), [(10**9, True), (29 * 12 * 3, False)])
def test_of_many_images_a_part_is_learned_from_and_all_are_judged(monkeypatch, limit, is_chosen):
    """C, features and views are chosen on fewer images. With many classes, C is not chosen."""
    monkeypatch.setattr(validation, "MAX_CROSS_VALIDATED", 90)
    monkeypatch.setattr(validation, "MAX_COMPARED", 60)
    monkeypatch.setattr(validation, "MAX_SIZE", limit)
    learned, compared = [], []

    def standardised(rows):
        learned.append(len(rows))
        return standardise(rows)

    def counted(rows, targets, weights, values_of_c):
        compared.append((len(rows), len(values_of_c)))
        return fit_regressions(rows, targets, weights, values_of_c)

    monkeypatch.setattr(validation, "standardise", standardised)
    monkeypatch.setattr(validation, "fit_regressions", counted)
    features, actual = clusters(3, 300)
    groups = np.arange(300) // 2
    examples = examples_of({False: features}, actual, groups, 3)
    cross_validation = cross_validate(examples)
    assert {number for _, number in compared} == ({len(VALUES_OF_C)} if is_chosen else set())
    assert max((rows for rows, _ in compared), default=0) < 60
    of_recorded = learned[-FOLDS:]
    most = 90 if is_chosen else 30
    assert sum(of_recorded) == most * (FOLDS - 1) * cross_validation.views
    assert not np.isnan(cross_validation.probabilities).any()
    assert examples.metrics(cross_validation.probabilities, actual)["accuracy"] > 0.6


ON_SOME_CORES = """
import os, sys
cores, path = int(sys.argv[1]), sys.argv[2]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
from pathlib import Path
import numpy as np
from pawprint.base.files import write_arrays
from pawprint.network import cross_validation as validation
from pawprint.network.cross_validation import Examples, cross_validate
from pawprint.network.new_head import NewHead, solve
from pawprint.network.store import StoredExamples, stored_examples
validation.MIN_SIZE_FOR_THREADS = 0
rng = np.random.default_rng(0)
actual = np.arange(600) % 3
features = rng.normal(0, 1, (600, 2, 700)) + rng.normal(0, 0.2, (3, 700))[actual][:, None]
pair = features.astype(np.float16), actual
images = np.arange(600)
examples = Examples({False: pair[0]}, pair[1], images, images.astype(str), [*"abc"])
cross_validation = cross_validate(examples)
solution = solve(examples, pair, cross_validation, np.arange(600))
weights = solution.weights
write_arrays(Path(path), *weights.arrays, *weights.standardisation, cross_validation.probabilities)
print(*{"tensorflow", "keras", "sklearn"} & set(sys.modules))
"""


@pytest.mark.skipif(
    len(getattr(os, "sched_getaffinity", lambda _: "")(0)) < 2, reason="needs two cores"
)
def test_number_of_cores_changes_no_byte_of_the_head_and_tensorflow_does_not_start(tmp_path):
    """Fits have fewer rows than columns (one view) or more (both). scikit-learn is not started."""
    for cores in ("1", "2"):
        code = run("python", "-c", ON_SOME_CORES, cores, tmp_path / f"{cores}.npz", cwd=PROJECT)
        assert not code.stdout.strip()
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


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
    for each in (rows, wide_rows):  # whatever was fitted before
        *_, last = fit_exactly(each, targets, weights, VALUES_OF_C)
        (alone,) = fit_exactly(each, targets, weights, VALUES_OF_C[-1:])
        assert np.array_equal(alone.weights, last.weights)
    for c, model, in_other_order, of_wide_rows, rough in zip(VALUES_OF_C, *fits, strict=True):
        expected = reference.set_params(C=c).fit(rows.astype(float), targets).predict_proba(rows)
        assert model.predict(rows) == pytest.approx(expected, abs=5e-5)
        assert rough.predict(rows) == pytest.approx(expected, abs=5e-4)
        for other in (in_other_order, of_wide_rows):
            assert np.array_equal(other.weights[:COLUMNS], model.weights)
            assert np.array_equal(other.intercepts, model.intercepts)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("has_hessian", [True, False])
def test_hessian_of_a_sample_saves_passes_and_changes_no_weight(monkeypatch, has_hessian):
    """If it cannot be inverted, the fit goes on as before."""
    rng, passes, gradient = np.random.default_rng(0), [0], _ColumnSpace.gradient
    rows = (rng.normal(0, 1, (4000, 60)) * np.geomspace(0.1, 1e-3, 60)).astype(np.float32)
    problem = rows, (rows[:, 0] > 0).astype(int), np.ones(4000), [30.0]

    def counted(*arguments):
        passes[-1] += 1
        return gradient(*arguments)

    monkeypatch.setattr(_ColumnSpace, "gradient", counted)
    (plain,) = fit_exactly(*problem)
    passes.append(0)
    monkeypatch.setattr(logistic_regression, "MIN_PRECONDITIONED", 0)
    if not has_hessian:
        monkeypatch.setattr("scipy.linalg.cho_factor", Mock(side_effect=np.linalg.LinAlgError))
    (preconditioned,) = fit_exactly(*problem)
    assert np.array_equal(preconditioned.weights, plain.weights)
    assert np.array_equal(preconditioned.intercepts, plain.intercepts)
    assert (passes[1] < passes[0]) == has_hessian


def test_fit_to_few_rows_is_much_more_exact_than_its_step(monkeypatch):
    """Their sum is nearly 0, so that fits by products of rows would miss a direction."""
    rng = np.random.default_rng(0)
    rows = rng.normal(1, 0.2, (30, 1280)).astype(np.float32) ** 3
    standardise(rows)
    fits = []
    monkeypatch.setattr(
        logistic_regression, "to_step", lambda *arrays: fits.append(arrays) or arrays
    )
    targets = np.arange(30) % 2
    for values_of_c in ([10.0], VALUES_OF_C[:3]):
        list(fit_exactly(rows, targets, np.ones(30), values_of_c))
    assert np.abs(fits[0][0] - fits[-1][0]).max() < 1e-12


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


@pytest.mark.parametrize("kept", [validation.KEPT, 0])
def test_features_that_fit_into_memory_are_read_once_and_not_for_each_fold(
    tmp_path, monkeypatch, kept
):
    monkeypatch.setattr(validation, "KEPT", kept)
    features, actual = clusters(2, 60)
    images = write_features(tmp_path, actual, top=features)
    images["group"] = images["path"]
    examples = open_examples(stored_examples(tmp_path, images, ["cat", "dog"]), "last", None)
    shutil.rmtree(tmp_path / "train")
    with pytest.raises(FileNotFoundError) if not kept else contextlib.nullcontext():
        cross_validate(examples)


def test_fit_imports_no_solver_that_it_does_not_use():
    """It searches for the coefficients of rows if these are fewer than the columns."""
    code = "import sys; from pawprint.network.logistic_regression import threads_of_fits\n"
    code += "for rows in (1000, 9000):\n"
    code += "  with threads_of_fits(1, rows, 8500): print('scipy.linalg' in sys.modules)"
    assert succeed("python", "-c", code, cwd=PROJECT) == "False\nTrue\n"


@pytest.mark.parametrize(("images", "columns"), [(90, 200), (200, 12)])
def test_labels_that_do_not_exclude_each_other_are_fitted_as_scikit_learn_does_one_by_one(
    images: int, columns: int
) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1 / columns**0.5, (images, columns)).astype(np.float32)
    scores = rows @ rng.normal(0, 2, (columns, 4)) + [0, -1.5, 1, 0]
    targets = scores + rng.logistic(0, 0.3, scores.shape) > 0
    (model,) = fit_exactly(rows, targets, np.ones(images), [10])
    one = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-10)
    singly = [one.fit(rows.astype(float), target).predict_proba(rows)[:, 1] for target in targets.T]
    expected = np.column_stack(singly)
    np.testing.assert_allclose(model.predict(rows), expected, atol=8e-5)
    # A label of no image, or of all, is neither certain nor impossible.
    constant = np.column_stack([targets, np.zeros(images, bool), np.ones(images, bool)])
    (model,) = fit_exactly(rows, constant, np.ones(images), [10])
    np.testing.assert_allclose(model.predict(rows)[:, :4], expected, atol=8e-5)
    rare = 0.5 / (images + 1)
    np.testing.assert_allclose(model.predict(rows)[:, 4:], [[rare, 1 - rare]] * images, rtol=1e-5)


@pytest.mark.parametrize("columns", [20, 200])
def test_label_that_the_images_do_not_show_leaves_the_others_as_they_are(columns):
    """Of two images with equal features, one has it. No direction is left for it."""
    rows = np.repeat(np.random.default_rng(0).normal(0, 1, (40, columns)), 2, axis=0)
    rows = (rows / columns**0.5).astype(np.float32)
    labels = np.column_stack([rows[:, 0] > 0, np.arange(80) % 2 == 0])
    (alone,) = fit_exactly(rows, labels[:, :1], np.ones(80), [10])
    (both,) = fit_exactly(rows, labels, np.ones(80), [10])
    np.testing.assert_allclose(both.predict(rows)[:, :1], alone.predict(rows), atol=1e-5)
    np.testing.assert_allclose(both.predict(rows)[:, 1], 0.5, atol=1e-5)


def test_labels_are_fitted_to_the_rows_of_which_they_are_known():
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1 / 12**0.5, (200, 12)).astype(np.float32)
    targets = (rows @ rng.normal(0, 2, (12, 4)) + rng.logistic(0, 0.3, (200, 4)) > 0).astype(int)
    shown = np.where(rng.uniform(size=targets.shape) < 0.4, -1, targets)
    shown = np.column_stack([shown, np.full(200, -1), np.arange(200) % 5 // 4 * 2 - 1])
    weights = rng.uniform(0.5, 1.5, 200)
    (model,) = fit_exactly(rows, shown.astype(np.int8), weights, [10])
    found = model.predict(rows)
    for label in range(4):
        part = shown[:, label] >= 0
        alone = shown[part, label : label + 1] == 1
        (one,) = fit_exactly(rows[part], alone, weights[part], [10])
        np.testing.assert_allclose(found[:, label], one.predict(rows)[:, 0], atol=3e-5)
    # A label that is never known, and one that is known of the images that show it.
    known = weights[shown[:, 5] == 1].sum()
    np.testing.assert_allclose(found[:, 4:], [[0.5, 1 - 0.5 / (known + 1)]] * 200, rtol=1e-5)
    (as_bool,), (as_int8,) = (
        fit_exactly(rows, targets.astype(dtype), weights, [10]) for dtype in (bool, np.int8)
    )
    assert as_bool.weights.tobytes() == as_int8.weights.tobytes()
    some = Examples({}, np.int8([[1], [-1], [0]]), *[np.arange(3)] * 2, ["a"])
    assert len(some.predictable(np.array([0, 2]), np.array([1]))) == 1
    assert not len(some.predictable(np.array([0, 1]), np.array([2])))


def test_label_whose_images_are_in_one_group_is_improbable_in_its_fold():
    """All labels have one C, and no image lacks a prediction."""
    rng = np.random.default_rng(0)
    shown = rng.uniform(size=(120, 3)) < [0.5, 0.3, 0]
    shown[:6, 2] = True
    features = (shown @ rng.normal(0, 2, (3, 12)) + rng.normal(0, 1, (120, 12)))[:, None]
    groups = np.maximum(np.arange(120), 5)
    keys = examples_of({}, groups, groups, 1).pixels_sha256
    examples = Examples({False: features}, shown, groups, keys, ["a", "b", "c"])
    found = cross_validate(examples)
    assert found.probabilities[:6, 2] == pytest.approx(0.005, abs=0.001)
    measured = examples.metrics(found.probabilities[6:], shown[6:])
    assert measured["accuracy"] > 0.7
    solved = solve(examples, (features, shown), found, np.arange(120))
    assert solved.validation["accuracy"] >= measured["accuracy"]
    assert solved.weights.arrays[0].shape == (12, 3)
