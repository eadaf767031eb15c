"""Compare two runs image by image."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import dvc.api
import numpy as np
from dvc.exceptions import DvcException
from scipy.stats import norm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.evaluation.intervals import mcnemar

WORKSPACE = "workspace"
SPLITS = {"test": paths.PREDICTIONS, "validation": paths.VALIDATION_PREDICTIONS}


class Comparison(NamedTuple):
    """Of `images`: how many each run got right, and how many only one of them did.

    `difference` is of the accuracies, new less old, with the ends of its interval; `p_value` is
    McNemar's.
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
        """ "better", "worse" or "can't tell"."""
        if self.p_value >= 1 - confidence:
            return "can't tell"
        return "better" if self.difference > 0 else "worse"


def compare(old: list[bool], new: list[bool], confidence: float) -> Comparison:
    """Compare two runs by which of the same images each got right.

    The interval is Agresti and Min's, which adds half an image to each of the four cells, 2005
    (https://doi.org/10.1002/sim.1781).
    """
    pairs = list(zip(old, new))
    only_old = sum(before and not after for before, after in pairs)
    only_new = sum(after and not before for before, after in pairs)
    images = len(pairs) + 2
    middle = (only_new - only_old) / images
    spread = np.sqrt((only_old + only_new + 1) / images - middle**2) / np.sqrt(images)
    reach = float(norm.ppf((1 + confidence) / 2) * spread)
    return Comparison(
        len(pairs),
        sum(old),
        sum(new),
        only_old,
        only_new,
        (only_new - only_old) / len(pairs),
        max(middle - reach, -1),
        min(middle + reach, 1),
        mcnemar(only_old, only_new),
    )


def compare_revisions(old: str, new: str, split: str, confidence: float) -> Comparison:
    """Raises InputError if one has no predictions, or they are not of the same images."""
    before, after = (_read_predictions(rev, SPLITS[split]) for rev in (old, new))
    gone, added = len(before.keys() - after.keys()), len(after.keys() - before.keys())
    common = sorted(before.keys() & after.keys())
    relabelled = sum(before[path]["actual"] != after[path]["actual"] for path in common)
    if gone or added or relabelled:
        raise InputError(
            f"{old} and {new}: expected the same {split} images. Received: {gone} only in {old}, "
            f"{added} only in {new}, {relabelled} with another label. Accuracies on other images "
            "cannot be compared: go back to the same data and split."
        )
    right = [
        [rows[path]["predicted"] == rows[path]["actual"] for path in common]
        for rows in (before, after)
    ]
    return compare(*right, confidence)


def describe(old: str, new: str, split: str, compared: Comparison, confidence: float) -> str:
    verdict = compared.verdict(confidence)
    conclusion = {
        "can't tell": f"can't tell with {compared.images} images: this may be luck",
        "better": f"{new} is better than {old}",
        "worse": f"{new} is worse than {old}",
    }[verdict]
    return (
        f"{split}: {compared.old_correct}/{compared.images} right in {old}, "
        f"{compared.new_correct}/{compared.images} in {new}; {compared.only_old} only in {old}, "
        f"{compared.only_new} only in {new}\n"
        f"  difference {100 * compared.difference:+.2f} points, {confidence:.0%} interval "
        f"{100 * compared.low:+.2f} to {100 * compared.high:+.2f}, McNemar p = "
        f"{compared.p_value:.3f}\n"
        f"  {conclusion}"
    )


def _read_predictions(rev: str, path: Path) -> dict[str, dict]:
    try:
        if rev == WORKSPACE:
            text = path.read_text(encoding="utf-8")
        else:
            text = dvc.api.read(path.as_posix(), rev=rev, encoding="utf-8")
    except (OSError, DvcException, ValueError) as error:
        raise InputError(
            f"{rev}: expected a commit, branch, tag or experiment with {path}. Received: "
            f"{' '.join(str(error).split())}"
        ) from None
    return {row["path"]: row for row in csv.DictReader(io.StringIO(text))}
