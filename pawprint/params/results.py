"""The sections `preview`, `calibrate`, `evaluate` and `plot`: predictions and pictures."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from pawprint.params.data import Augment
from pawprint.params.section import Count, Fraction, Section


class Squares(NamedTuple):
    """What a network sees of an image: squares at `places` along its longer side, from 0 to 1.

    Without places it is one square, as `model.resize` makes it. If `mirrored`, the mirror image of
    each follows.
    """

    places: tuple[float, ...] = ()
    mirrored: bool = True

    @property
    def number(self) -> int:
        return max(len(self.places), 1) * (1 + self.mirrored)


AUGMENTATIONS = {
    "none": Squares(mirrored=False),
    "flip": Squares(),
    "crops": Squares(places=(0, 0.5, 1)),
}
TestTimeAugmentation = Literal[*AUGMENTATIONS]


class Calibrate(Section):
    temperature: bool
    threshold: Fraction | None
    recall: Annotated[float, Field(gt=0, le=1)] | None
    test_time_augmentation: Literal["auto", *AUGMENTATIONS]
    unknown_quantile: Fraction | None

    @model_validator(mode="after")
    def _recall_chooses_threshold(self) -> Self:
        if self.threshold is not None and self.recall is not None:
            raise ValueError(
                "expected threshold, or recall to choose it by, and null for the other. "
                f"Received: {self.threshold} and {self.recall}"
            )
        return self


def augmentations(params: Calibrate, augment: Augment) -> tuple[TestTimeAugmentation, ...]:
    """Those to try: with `auto` none and, where training mirrors images left to right, flip."""
    if params.test_time_augmentation != "auto":
        return (params.test_time_augmentation,)
    flip = augment.RandomFlip
    return ("none", "flip") if flip and flip.mode != "vertical" else ("none",)


def problem_of_threshold(params: Calibrate, classes: int) -> str | None:
    """What is wrong with a threshold, or how to choose it, for so many classes; or None."""
    for key in ("threshold", "recall"):
        value = getattr(params, key)
        if classes > 2 and value is not None:
            return (
                f"calibrate.{key}: expected null, because a threshold exists for two classes only. "
                f"Received: {value} for {classes} classes"
            )
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
