"""Randomization tests: the p-value of a difference of two models, or of two sets of images.

What is drawn again is which model, or which set, has which values. Images of a group are not
independent, and count as one. Edgington, Randomization Tests, 1980. With one size of the
differences, or fractions of single images, these are McNemar's and Fisher's tests.
"""

from collections.abc import Callable

import numpy as np

# Draws, at most and at once; no more are made when so many of them reach what is observed (Besag
# and Clifford, Sequential Monte Carlo p-values, 1991).
DRAWS, BATCH, REACHED = 10_000, 200, 100
STEPS = 20  # of a standard deviation, to which values are rounded: few are drawn in less time


def paired_test(differences: np.ndarray, groups: np.ndarray, one_sided: bool = False) -> float:
    """The p-value that two models have the same mean, in [0, 1].

    `differences` are those of each image, `(images,)`. Those of a group are as likely of the other
    sign. With `one_sided`, that their mean is not above 0. Where one class gains what another
    loses, the distribution of the mean recall is wider than the true one, so the test rejects less
    often.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    sums = np.bincount(group_of, differences)[:, None]
    sums = sums[abs(sums[:, 0]) > 1e-12]

    def draw(rng: np.random.Generator) -> np.ndarray:
        return (2 * rng.integers(2, size=(BATCH, len(sums)), dtype=np.int8) - 1) @ sums

    return _p_value(sums.sum(axis=0), np.ones(1), draw, one_sided)


def two_sets_test(
    values: np.ndarray,
    is_first: np.ndarray,
    groups: np.ndarray,
    strata: np.ndarray | None = None,
    one_sided: bool = False,
) -> float:
    """The p-value that two sets of images have the same means, in [0, 1].

    `values` are `(images,)`, or of several columns, `(images, columns)`, whose squared differences
    are added, each divided by its variance. `is_first` is bool `(images,)`. With `one_sided`, that
    the mean of the first set is not the higher one. With `strata`, such as classes, images are
    drawn within each, the statistic is the sum of the differences in those that both sets have, and
    without any the p-value is 1. As the two sets may have groups of other sizes, each has as many
    values as are `independent_images`, of the same distribution.
    """
    values = values.reshape(len(values), -1).astype(float)
    strata = np.zeros(len(values)) if strata is None else strata
    statistic, variance, parts = np.zeros(values.shape[1]), np.zeros(values.shape[1]), []
    for stratum in np.unique(strata):
        masks = [(strata == stratum) & side for side in (is_first, ~is_first)]
        if not all(mask.any() for mask in masks):
            continue
        first, second = (_thin_out(values[mask], groups[mask]) for mask in masks)
        size, others = len(first), len(second)
        both = np.concatenate([first, second]) * (1 / size + 1 / others)
        step = both.std(axis=0) / STEPS
        both = np.round((both - both.mean(axis=0)) / np.where(step > 0, step, 1)) * step
        both -= both.mean(axis=0)
        statistic += both[:size].sum(axis=0)
        variance += both.var(axis=0) * size * others / (size + others - 1)
        parts.append((*np.unique(both, axis=0, return_counts=True), size))

    def draw(rng: np.random.Generator) -> np.ndarray:
        return sum(
            rng.multivariate_hypergeometric(count, size, BATCH, method="marginals") @ rows
            for rows, count, size in parts
        )

    return _p_value(statistic, variance, draw, one_sided)


def independent_images(groups: np.ndarray) -> int:
    """As how many independent images count those of `groups`, `(images,)`, at least one.

    The images of a group are taken to be alike, such as all right or all wrong: their number is
    divided by the design effect for that, the mean size of an image's group (Kish, Survey Sampling,
    1965, 5.4).
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return max(1, round(len(groups) / sizes[group_of].mean()))


def _thin_out(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """As many rows as are independent, at equal distances in the order of the values."""
    images = independent_images(groups)
    chosen = ((np.arange(images) + 0.5) * len(values) / images).astype(int)
    return values[np.lexsort(values.T)[chosen]]


def _p_value(statistic: np.ndarray, variance: np.ndarray, draw: Callable, one_sided: bool) -> float:
    """The fraction of draws that reach the statistic, `(columns,)`, counted as in Phipson and
    Smyth, 2010 (https://doi.org/10.2202/1544-6115.1585).
    """
    varies = variance > 0
    if not varies.any():
        return 1.0

    def size(of: np.ndarray) -> np.ndarray:
        return of[..., 0] if one_sided else (of[..., varies] ** 2 / variance[varies]).sum(axis=-1)

    rng, drawn, reached, observed = np.random.default_rng(0), 0, 0, size(statistic)
    while drawn < DRAWS and reached < REACHED:
        reached += int((size(draw(rng)) >= observed - 1e-9 * abs(observed)).sum())
        drawn += BATCH
    return float((1 + reached) / (1 + drawn))
