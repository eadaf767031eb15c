"""Compare the predictions of two runs image by image."""

import functools
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from pawprint import project
from pawprint.columns import PREDICTED_CLASSES
from pawprint.errors import InputError
from pawprint.pipeline.revisions import read_revision
from pawprint.scores.intervals import holm, mcnemar, stratified_mcnemar
from pawprint.scores.metrics import headline
from pawprint.tables import parse_table


class Comparison(NamedTuple):
    """Numbers of images, and of correct predictions of each run and of only one of them.

    `difference` is the `score` of new minus that of old, `low` and `high` its interval at
    `confidence`, all in [-1, 1]. `score` is "accuracy" or "mean recall". `of_head` tells of runs
    that are correct on the same images whether fine-tuning kept the head alone in both.
    """

    score: str

    images: int
    old_correct: int
    new_correct: int
    only_old: int
    only_new: int
    difference: float
    low: float
    high: float
    confidence: float
    p_value: float
    of_head: bool = False

    @property
    def verdict(self) -> str:
        """Where the interval is: "better" above 0, "worse" below, or else "not significant"."""
        if self.low <= 0 <= self.high:
            return "not significant"
        return "better" if self.low > 0 else "worse"


def compare(
    old: np.ndarray,
    new: Sequence[np.ndarray],
    confidence: float,
    actual: np.ndarray | None = None,
) -> list[Comparison]:
    """Compare the accuracy of each of the new runs with that of the old one.

    A run is bool `(images,)`: whether it predicted the images, the same ones for all, correctly.
    The test is McNemar's exact one. The interval of the difference is that of Agresti and Min,
    2005 (https://doi.org/10.1002/sim.1781), which adds half an image to each of the four cells. It
    is extended to 0 where the test does not reject. A difference is significant if the interval
    excludes 0.

    With `actual`, the class of each image, `(images,)`, the mean recall of the classes is compared:
    the test is `stratified_mcnemar`, and of the half images each class has an equal part.

    With several new runs, the probability of any wrong verdict is at most `1 - confidence`: Holm's
    levels, 1979 (https://www.jstor.org/stable/4615733), are those of the tests and the intervals.
    """
    old, one_class = np.asarray(old), np.zeros(len(old), int)
    _, strata = np.unique(one_class if actual is None else actual, return_inverse=True)
    images = np.bincount(strata)
    only_one = [
        [np.bincount(strata[only], minlength=len(images)) for only in (old & ~each, each & ~old)]
        for each in map(np.asarray, new)
    ]
    p_values = [
        mcnemar(*(int(number.sum()) for number in pair))
        if actual is None
        else stratified_mcnemar(*pair, images)
        for pair in only_one
    ]
    levels = holm(p_values, 1 - confidence)
    score = "accuracy" if actual is None else "mean recall"
    return [
        _compare(score, int(old.sum()), images, *each) for each in zip(only_one, p_values, levels)
    ]


def _compare(
    score: str,
    correct: int,
    images: np.ndarray,
    only_one: list[np.ndarray],
    p_value: float,
    level: float,
) -> Comparison:
    only_old, only_new = only_one
    classes, differences = len(images), (only_new - only_old) / images
    more = images + 2 / classes
    middles = (only_new - only_old) / more
    variances = ((only_old + only_new + 1 / classes) / more - middles**2) / more
    middle = float(middles.mean())
    reach = float(norm.ppf(1 - level / 2) * np.sqrt(variances.sum()) / classes)
    low, high = max(middle - reach, -1), min(middle + reach, 1)
    if p_value >= level:
        low, high = min(low, 0), max(high, 0)
    of_old, of_new = int(only_old.sum()), int(only_new.sum())
    return Comparison(
        score=score,
        images=int(images.sum()),
        old_correct=correct,
        new_correct=correct + of_new - of_old,
        only_old=of_old,
        only_new=of_new,
        difference=float(differences.mean()),
        low=low,
        high=high,
        confidence=1 - level,
        p_value=p_value,
    )


def compare_revisions(
    old: str, new: Sequence[str], split: str, confidence: float, common: bool = False
) -> list[Comparison]:
    """Compare the `headline` of revisions with that of one. Raises InputError as `paired`."""
    pairs = list(paired(old, new, split, common))
    actual = pairs[0]["actual"]
    is_of_accuracy = headline(actual.value_counts()) == "accuracy"
    compared = compare(
        (pairs[0]["predicted_old"] == pairs[0]["actual"]).to_numpy(),
        [(both["predicted"] == both["actual"]).to_numpy() for both in pairs],
        confidence,
        None if is_of_accuracy else actual.to_numpy(),
    )
    return [
        each
        if each.only_old + each.only_new
        else each._replace(of_head=_keeps_head(old) and _keeps_head(rev))
        for each, rev in zip(compared, new)
    ]


def _keeps_head(rev: str) -> bool:
    """Whether fine-tuning kept the head alone. A run of an older version does not say."""
    try:
        return read_revision(rev, project.FINETUNE_METRICS, json.loads)["kept_epoch"] == 0
    except InputError:
        return False


def paired(
    old: str, new: Sequence[str], split: str, common: bool = False
) -> Iterator[pd.DataFrame]:
    """For each of the new revisions, the images of a split of PREDICTED_CSV, in the same order.

    The columns are `image`, by which they are paired, `actual`, `predicted_old` and `predicted`. A
    revision is a commit, branch, tag or experiment, or WORKSPACE. With `common`, the images are
    those that all have, with the same label, and a line says how many. Raises InputError if a
    revision has no predictions, or they are not of the same images with the same labels.
    """
    path = project.PREDICTED_CSV[split]
    tables = {rev: read_revision(rev, path, _parse) for rev in (old, *new)}
    if common:
        tables = _with_common_images(tables, split)
    for rev in new:
        both = tables[old].merge(
            tables[rev], on="image", how="outer", suffixes=("_old", ""), indicator=True
        )
        gone, added = ((both["_merge"] == side).sum() for side in ("left_only", "right_only"))
        in_both = both[both["_merge"] == "both"]
        relabelled = (in_both["actual_old"] != in_both["actual"]).sum()
        if gone or added or relabelled:
            raise InputError(
                f"{old} and {rev}: expected the same {split} images and labels. Received: {gone} "
                f"only in {old}, {added} only in {rev}, {relabelled} with another label. Such "
                "accuracies cannot be compared. --common compares on the images that both have; "
                "without it, commit this run, change one param, and compare with HEAD."
            )
        yield both[["image", "actual", "predicted_old", "predicted"]]


def _with_common_images(tables: dict[str, pd.DataFrame], split: str) -> dict[str, pd.DataFrame]:
    """The rows of each table PREDICTED_CLASSES, by revision, whose image and label are in all."""
    key = ["image", "actual"]
    common = functools.reduce(pd.merge, (table[key] for table in tables.values()))
    images = ", ".join(f"{len(table):,} of {rev}" for rev, table in tables.items())
    if common.empty:
        raise InputError(f"{split}: expected common images. Received: none, of {images}")
    print(f"{split}: {len(common):,} common images, of {images}")
    return {rev: table.merge(common) for rev, table in tables.items()}


def describe(old: str, new: str, split: str, compared: Comparison) -> str:
    """Three lines: what each run got right, the difference with its interval, and the verdict."""
    conclusion = {
        "not significant": f"not significant with {compared.images} images: the difference may be "
        "by chance",
        "better": f"{new} is better than {old}",
        "worse": f"{new} is worse than {old}",
    }[compared.verdict]
    if not compared.only_old + compared.only_new:
        conclusion = "both are correct on the same images"
        conclusion += ": the head alone was kept in both" * compared.of_head
    p_value = f"p = {compared.p_value:.3f}" if compared.p_value >= 0.001 else "p < 0.001"
    of, test = "", "McNemar"
    if compared.score != "accuracy":
        of, test = f" of the {compared.score}", "randomization"
    return (
        f"{split}: {compared.old_correct}/{compared.images} correct in {old}, "
        f"{compared.new_correct}/{compared.images} in {new}; {compared.only_old} only in {old}, "
        f"{compared.only_new} only in {new}\n"
        f"  difference{of} {100 * compared.difference:+.2f} points, "
        f"{100 * compared.confidence:.4g}% interval {100 * compared.low:+.2f} to "
        f"{100 * compared.high:+.2f}, {test} {p_value}\n"
        f"  {conclusion}"
    )


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_table(content, PREDICTED_CLASSES)
    if predictions.empty:
        raise ValueError("expected a table with rows. Received: none")
    return predictions
