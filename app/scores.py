"""What predictions are worth: counts at a threshold, and how sure one can be of them."""

from collections import Counter
from typing import NamedTuple

from pawprint.evaluation.intervals import wilson

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A share with its 95 % interval, all in [0, 1]."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.1%} to {self.high:.1%}"


class Matrix(NamedTuple):
    """How many images of each class were taken for which: `counts[actual, predicted]`."""

    labels: list[str]
    counts: Counter

    @property
    def right(self) -> int:
        return sum(self.counts[label, label] for label in self.labels)

    @property
    def total(self) -> int:
        return self.counts.total()

    def recall(self, label: str) -> float | None:
        """The share of the images of a class that were taken for it; None if there are none."""
        return _share(self.counts[label, label], [self.counts[label, to] for to in self.labels])

    def precision(self, label: str) -> float | None:
        """The share of what was taken for a class that is of it; None if nothing was."""
        return _share(self.counts[label, label], [self.counts[of, label] for of in self.labels])


def confusion(rows: list[dict], labels: list[str]) -> Matrix:
    return Matrix(labels, Counter((row["actual"], row["predicted"]) for row in rows))


def share_of(right: int, total: int) -> Interval:
    return Interval(right / total, *wilson(right, total, CONFIDENCE))


def accuracy(measured: dict) -> Interval:
    """The accuracy in a part of metrics/evaluate.json; early commits recorded no interval."""
    if "accuracy_low" in measured:
        return Interval(measured["accuracy"], measured["accuracy_low"], measured["accuracy_high"])
    return share_of(measured["correct"], measured["total"])


def _share(part: int, of: list[int]) -> float | None:
    return part / sum(of) if sum(of) else None
