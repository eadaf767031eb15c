"""What training runs on."""

from typing import Annotated, Literal

from pydantic import WrapValidator

from pawprint.core.params.section import Section
from pawprint.core.params.types import Count

# One line for a wrong value, where pydantic has one for each type of a union.
CountOrAuto = Annotated[
    Count, WrapValidator(lambda value, validate: value if value == "auto" else validate(value))
]


class Hardware(Section):
    """Precisions are dtype policies of Keras: https://keras.io/api/mixed_precision/policy/"""

    devices: Literal["auto", "cpu"]
    threads: CountOrAuto
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
