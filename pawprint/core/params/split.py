"""How images are divided."""

from typing import Annotated

from pydantic import Field

from pawprint.core.params.section import Section
from pawprint.core.params.types import Fraction, Seed


class Split(Section):
    seed: Seed
    validation_fraction: Fraction
    test_fraction: Fraction
    near_duplicate_distance: Annotated[int, Field(ge=0, le=64)]
    use_archive_split: bool
