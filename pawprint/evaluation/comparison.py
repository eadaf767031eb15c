"""Compare the predictions of two runs image by image."""

from pathlib import Path
from typing import NamedTuple

import dvc.api
import numpy as np
import pandas as pd
from dvc.exceptions import DvcException
from scipy.stats import norm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.tables import parse_predictions
from pawprint.evaluation.intervals import mcnemar

WORKSPACE = "workspace"
SPLITS = {"test": paths.PREDICTIONS, "validation": paths.VALIDATION_PREDICTIONS}


class Comparison(NamedTuple):
    """Numbers of images, and of correct predictions of each run and of only one of them.

    `difference` is the accuracy of new minus that of old, `low` and `high` its confidence interval,
    all in [-1, 1]; `p_value` is McNemar's.
    """

    images: int
    old_correct: int
    new_correct: int
    only_old: int
    only_new: int
    difference: float
    low: float
    high: float
    p_value: float

    def verdict(self, confidence: float) -> str:
        """One of "better", "worse" and "not significant"."""
        if self.p_value >= 1 - confidence:
            return "not significant"
        return "better" if self.difference > 0 else "worse"


def compare(old: np.ndarray, new: np.ndarray, confidence: float) -> Comparison:
    """Compare two runs; bool `(images,)`: whether each predicted the same images correctly.

    The interval is that of Agresti and Min, which adds half an image to each of the four cells,
    2005 (https://doi.org/10.1002/sim.1781).
    """
    old, new = np.asarray(old), np.asarray(new)
    only_old, only_new = int((old & ~new).sum()), int((new & ~old).sum())
    images = len(old) + 2
    middle = (only_new - only_old) / images
    spread = np.sqrt((only_old + only_new + 1) / images - middle**2) / np.sqrt(images)
    reach = float(norm.ppf((1 + confidence) / 2) * spread)
    return Comparison(
        images=len(old),
        old_correct=int(old.sum()),
        new_correct=int(new.sum()),
        only_old=only_old,
        only_new=only_new,
        difference=(only_new - only_old) / len(old),
        low=max(middle - reach, -1),
        high=min(middle + reach, 1),
        p_value=mcnemar(only_old, only_new),
    )


def compare_revisions(old: str, new: str, split: str, confidence: float) -> Comparison:
    """Compare the predictions of two revisions for a split, "test" or "validation".

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Raises InputError if one has no
    predictions, or they are not of the same images with the same labels.
    """
    before, after = (_read_predictions(rev, SPLITS[split]) for rev in (old, new))
    both = before.merge(after, on="path", how="outer", suffixes=("_old", "_new"), indicator=True)
    gone, added = (both["_merge"] == "left_only").sum(), (both["_merge"] == "right_only").sum()
    common = both[both["_merge"] == "both"]
    relabelled = (common["actual_old"] != common["actual_new"]).sum()
    if gone or added or relabelled:
        raise InputError(
            f"{old} and {new}: expected the same {split} images. Received: {gone} only in {old}, "
            f"{added} only in {new}, {relabelled} with another label. Accuracies on different "
            "images cannot be compared: use the same data and split for both."
        )
    return compare(
        (common["predicted_old"] == common["actual_old"]).to_numpy(),
        (common["predicted_new"] == common["actual_new"]).to_numpy(),
        confidence,
    )


def describe(old: str, new: str, split: str, compared: Comparison, confidence: float) -> str:
    """Three lines: what each run got right, the difference with its interval, and the verdict."""
    verdict = compared.verdict(confidence)
    conclusion = {
        "not significant": f"not significant with {compared.images} images: the difference may be "
        "by chance",
        "better": f"{new} is better than {old}",
        "worse": f"{new} is worse than {old}",
    }[verdict]
    return (
        f"{split}: {compared.old_correct}/{compared.images} correct in {old}, "
        f"{compared.new_correct}/{compared.images} in {new}; {compared.only_old} only in {old}, "
        f"{compared.only_new} only in {new}\n"
        f"  difference {100 * compared.difference:+.2f} points, {confidence:.0%} interval "
        f"{100 * compared.low:+.2f} to {100 * compared.high:+.2f}, McNemar p = "
        f"{compared.p_value:.3f}\n"
        f"  {conclusion}"
    )


def _read_predictions(rev: str, path: Path) -> pd.DataFrame:
    try:
        if rev == WORKSPACE:
            content = path.read_bytes()
        else:
            content = dvc.api.read(path.as_posix(), rev=rev, mode="rb")
        predictions = parse_predictions(content)
        if predictions.empty:
            raise ValueError("a table without rows")
        return predictions
    except (OSError, DvcException, ValueError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path}. Received: "
            f"{' '.join(str(error).split())}"
        ) from None
