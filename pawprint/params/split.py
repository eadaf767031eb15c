"""How images are divided."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pawprint.params.section import Fraction, Section, Seed


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


class Split(Section):
    seed: Seed
    validation_fraction: Fraction
    test_fraction: Fraction
    group: Annotated[str, AfterValidator(_one_capturing_group)] | None
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]
    move_near_duplicates: bool
    use_archive_split: bool
