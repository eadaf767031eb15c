"""Accuracy with its interval, at the confidence of params.yaml."""

from typing import NamedTuple

from pawprint.core.params import load_params
from pawprint.evaluation.intervals import wilson


class Accuracy(NamedTuple):
    """`value` and the ends of Wilson's interval, all in [0, 1]."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        return f"{self.low:.1%} to {self.high:.1%}"


def accuracy(correct: int, total: int, confidence: float) -> Accuracy:
    return Accuracy(correct / total, *wilson(correct, total, confidence))


def confidence() -> float:
    """The confidence of all intervals of the app, in (0, 1). Raises InputError."""
    return load_params().evaluate.confidence


def interval_name(confidence: float) -> str:
    """As in "95% interval"."""
    return f"{100 * confidence:g}% interval"
