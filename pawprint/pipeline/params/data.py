"""Define the sections `fetch`, `clean`, `split` and `augment`: the images and their views."""

import re
from collections import Counter
from typing import Annotated, Literal, Self
from unicodedata import normalize

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, LabelKind
from pawprint.pipeline.params import section


class Fetch(section.Section):
    """The archive or folder of images."""

    source: section.Source

    @field_validator("source", mode="before")
    @classmethod
    def _is_local(cls, source: object) -> object:
        """Reject a URL before DVC looks for a file of that name."""
        if isinstance(source, str) and "://" in source:
            raise ValueError(
                "expected a local path. Write the URL into a YAML file: `pawprint docs images`. "
                f"Received: {source!r}"
            )
        return source


class Clean(section.Section):
    """Which images to keep, and their classes."""

    rule: Literal["decodes", "jfif"]
    # It may also be a word, which the validator accepts: see pawprint/given/folders.py.
    labels: Annotated[
        dict[str, Annotated[list[str], Field(min_length=1)]],
        section.either(
            ("auto", "outer", "inner"),
            "auto, outer, inner, or a mapping of each class to a list of folders",
            lambda labels: isinstance(labels, dict),
        ),
    ]
    bits: section.Bits
    several_labels: bool
    not_asked: list[str]

    @property
    def kind(self) -> LabelKind:
        """Whether each image is in one class, or can show several labels."""
        return SEVERAL_LABELS if self.several_labels else ONE_CLASS

    @field_validator("not_asked")
    @classmethod
    def _are_of_several_labels(cls, names: list[str], info: ValidationInfo) -> list[str]:
        if names and not info.data.get("several_labels"):
            raise ValueError("expected [] unless clean.several_labels is true")
        if problem := SEVERAL_LABELS.problem_of_names(names):
            raise ValueError(problem)
        return [normalize("NFC", name) for name in names]

    @field_validator("labels")
    @classmethod
    def _distinct_classes(cls, labels: dict[str, list[str]] | str) -> dict[str, list[str]] | str:
        if isinstance(labels, str):
            return labels
        folders = [
            normalize("NFC", folder).lower() for names in labels.values() for folder in names
        ]
        for folder, times in Counter(folders).items():
            if times > 1:
                raise ValueError(
                    f"expected each folder once, ignoring case. Received: {folder!r} twice"
                )
        if problem := ONE_CLASS.problem_of_labels(labels):
            raise ValueError(problem)
        return {
            normalize("NFC", label): [normalize("NFC", folder) for folder in names]
            for label, names in labels.items()
        }


def _one_capturing_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"expected a regular expression. Received: {pattern}: {error}") from None
    if groups != 1:
        raise ValueError(
            "expected a regular expression with one group in parentheses, as in '/site([0-9]+)/'. "
            f"Received: {groups} in {pattern}"
        )
    return pattern


class Split(section.Section):
    """How to divide the images into training, validation and test sets."""

    seed: section.Seed
    validation_fraction: section.Fraction
    test_fraction: section.Fraction
    group: Annotated[str, AfterValidator(_one_capturing_group)] | None
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]
    use_archive_split: bool

    @model_validator(mode="after")
    def _leaves_training_images(self) -> Self:
        fractions = (self.validation_fraction, self.test_fraction)
        if sum(fractions) >= 1:
            raise ValueError(
                "expected validation_fraction and test_fraction with a sum below 1, so that "
                f"images are left for training. Received: {fractions[0]} and {fractions[1]}"
            )
        return self


class Flip(section.Section):
    """The arguments of `RandomFlip`."""

    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"]


class Factor(section.Section):
    """The argument of layers that have a single factor."""

    factor: section.UpToOne


class Translation(section.Section):
    """The arguments of `RandomTranslation`."""

    height_factor: section.UpToOne
    width_factor: section.UpToOne


class Shear(section.Section):
    """The arguments of `RandomShear`."""

    x_factor: section.UpToOne = 0.0
    y_factor: section.UpToOne = 0.0


class Zoom(section.Section):
    """The arguments of `RandomZoom`."""

    height_factor: section.BelowOne
    width_factor: section.BelowOne | None = None


class Augment(section.Section):
    """Keras layers keyed by name, with Keras' arguments, units and defaults.

    They are applied in the order below, whatever their order in the file.
    """

    views: section.Count
    keep_original: bool
    RandomFlip: Flip | None = None
    RandomRotation: Factor | None = None
    RandomTranslation: Translation | None = None
    RandomShear: Shear | None = None
    RandomZoom: Zoom | None = None
    seed: section.Seed

    @property
    def draws(self) -> bool:
        """Whether training images have other views than the original."""
        return self.views > 1 or not self.keep_original

    def mirrors(self, views: int) -> bool:
        """Return whether training on the first `views` of each image mirrors images left to right.

        If so, the served network averages over an image and its mirror image. A head that was
        trained without mirrored images may misjudge a mirror image.
        """
        is_drawn = views > 1 or not self.keep_original
        return is_drawn and self.RandomFlip is not None and self.RandomFlip.mode != "vertical"
