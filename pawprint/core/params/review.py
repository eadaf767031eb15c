"""Labels that are likely wrong."""

from typing import Annotated

from pydantic import Field

from pawprint.core.params.section import Section


class Review(Section):
    folds: Annotated[int, Field(ge=2, lt=2**31)]
