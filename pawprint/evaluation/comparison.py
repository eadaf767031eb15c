"""Compare the predictions of two runs image by image."""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.errors import InputError
from pawprint.evaluation.intervals import holm, mcnemar, paired_difference_interval
from pawprint.project import PREDICTIONS_CSV
from pawprint.revisions import read_revision
from pawprint.tables import parse_predictions


class Comparison(NamedTuple):
    """Numbers of images, and of correct predictions of each run and of only one of them.

    `difference` is the accuracy of new minus that of old, `low` and `high` its interval at
    `confidence`, all in [-1, 1]; `p_value` is McNemar's.
    """

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

    @property
    def verdict(self) -> str:
        """Where the interval is: "better" above 0, "worse" below, or else "not significant"."""
        if self.low <= 0 <= self.high:
            return "not significant"
        return "better" if self.low > 0 else "worse"


def compare(old: np.ndarray, new: Sequence[np.ndarray], confidence: float) -> list[Comparison]:
    """Compare each of the new runs with the old one.

    A run is bool `(images,)`: whether it predicted the images, the same ones for all, correctly.
    The test is McNemar's exact one. The interval of the difference is extended to 0 where
    the test does not reject. A difference is significant if the interval excludes 0.

    With several new runs, the probability of any wrong verdict is at most `1 - confidence`: Holm's
    levels, 1979 (https://www.jstor.org/stable/4615733), are those of the tests and the intervals.
    """
    old = np.asarray(old)
    only_one = [
        (int((old & ~each).sum()), int((each & ~old).sum())) for each in map(np.asarray, new)
    ]
    p_values = [mcnemar(*pair) for pair in only_one]
    levels = holm(p_values, 1 - confidence)
    return [_compare(old, *each) for each in zip(only_one, p_values, levels)]


def _compare(
    old: np.ndarray, only_one: tuple[int, int], p_value: float, level: float
) -> Comparison:
    only_old, only_new = only_one
    images = len(old)
    low, high = paired_difference_interval(only_new, only_old, images, 1 - level)
    if p_value >= level:
        low, high = min(low, 0), max(high, 0)
    correct = int(old.sum())
    return Comparison(
        images=images,
        old_correct=correct,
        new_correct=correct + only_new - only_old,
        only_old=only_old,
        only_new=only_new,
        difference=(only_new - only_old) / images,
        low=low,
        high=high,
        confidence=1 - level,
        p_value=p_value,
    )


def compare_revisions(
    old: str, new: Sequence[str], split: str, confidence: float, common: bool = False
) -> list[Comparison]:
    """Compare the predictions of revisions with those of one. Raises InputError as `paired`."""
    pairs = list(paired(old, new, split, common))
    return compare(
        (pairs[0]["predicted_old"] == pairs[0]["actual"]).to_numpy(),
        [(both["predicted"] == both["actual"]).to_numpy() for both in pairs],
        confidence,
    )


def paired(
    old: str, new: Sequence[str], split: str, common: bool = False
) -> Iterator[pd.DataFrame]:
    """For each of the new revisions, the images of a split of PREDICTIONS_CSV, in the same order.

    The columns are `path`, that of the new revision, `pixels_sha256`, by which images are paired,
    `actual`, `predicted_old` and `predicted`. A revision is a commit, branch, tag or experiment, or
    WORKSPACE. With `common`, the images are those that all have, with the same label, and a line
    says how many. Raises InputError if a revision has no predictions, or they are not of the same
    images with the same labels.
    """
    tables = {rev: read_revision(rev, PREDICTIONS_CSV[split], _parse) for rev in (old, *new)}
    if common:
        tables = _with_common_images(tables, split)
    for rev in new:
        both = tables[old].merge(
            tables[rev], on="pixels_sha256", how="outer", suffixes=("_old", ""), indicator=True
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
        # In the order of the hashes, which the merge gives: paths may differ.
        yield both[["path", "pixels_sha256", "actual", "predicted_old", "predicted"]]


def _with_common_images(tables: dict[str, pd.DataFrame], split: str) -> dict[str, pd.DataFrame]:
    """The rows of each table PREDICTIONS, by revision, whose image and label are in all."""
    key = ["pixels_sha256", "actual"]
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
    return (
        f"{split}: {compared.old_correct}/{compared.images} correct in {old}, "
        f"{compared.new_correct}/{compared.images} in {new}; {compared.only_old} only in {old}, "
        f"{compared.only_new} only in {new}\n"
        f"  difference {100 * compared.difference:+.2f} points, {100 * compared.confidence:.4g}% "
        f"interval {100 * compared.low:+.2f} to {100 * compared.high:+.2f}, McNemar p = "
        f"{compared.p_value:.3f}\n"
        f"  {conclusion}"
    )


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_predictions(content)
    if predictions.empty:
        raise ValueError("expected a table with rows. Received: none")
    return predictions
