"""The sections `preview`, `calibrate`, `evaluate` and `plot`: predictions and pictures."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import model_validator

from pawprint.classes import problem_of_named
from pawprint.params.section import Count, Fraction, Section, Text, either


def _are_fractions(value: object) -> bool:
    by_class = value if value and isinstance(value, dict) else {"": value}
    return all(
        isinstance(label, str) and type(number) in (int, float) and 0 < number < 1
        for label, number in by_class.items()
    )


# A number alone is refused where the classes are known, so that the line can name them.
ByClass = Annotated[
    dict[Text, Fraction] | Fraction | None,
    either(
        *(None, 'null, or numbers above 0 and below 1 by class, as {dog: 0.95} or {"1": 0.95}'),
        _are_fractions,
    ),
]


class Calibrate(Section):
    temperature: bool
    threshold: ByClass
    recall: ByClass
    max_error: Fraction | None
    unknown_quantile: Fraction | None

    @model_validator(mode="after")
    def _recall_chooses_threshold(self) -> Self:
        return self.with_one_of("threshold", "recall")


def problem_of_threshold(params: Calibrate, labels: Sequence[str]) -> str | None:
    """What is wrong with the thresholds of these classes, or how to choose them; or None."""
    for key in ("threshold", "recall"):
        value = getattr(params, key)
        if value is not None and (problem := problem_of_named(value, labels)):
            return f"calibrate.{key}: {problem}"
    return None


class Preview(Section):
    samples: Count
    near_duplicates: Count


class Evaluate(Section):
    confidence: Fraction


class Plot(Section):
    predictions: Count
    errors: Count
    labels_to_review: Count
