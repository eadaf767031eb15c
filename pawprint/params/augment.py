"""Views of training images."""

from typing import Literal

from pawprint.params.section import BelowOne, Count, Section, Seed, UpToOne


class RandomFlip(Section):
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"]


class RandomRotation(Section):
    factor: UpToOne


class RandomTranslation(Section):
    height_factor: UpToOne
    width_factor: UpToOne


class RandomShear(Section):
    x_factor: UpToOne = 0.0
    y_factor: UpToOne = 0.0


class RandomZoom(Section):
    height_factor: BelowOne
    width_factor: BelowOne | None = None


class Augment(Section):
    """Keras layers by name, with the arguments, units and defaults that Keras gives them."""

    views: Count
    keep_original: bool
    RandomFlip: RandomFlip | None
    RandomRotation: RandomRotation | None
    RandomTranslation: RandomTranslation | None
    RandomShear: RandomShear | None
    RandomZoom: RandomZoom | None
    seed: Seed
