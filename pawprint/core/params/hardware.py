"""What training runs on."""

from typing import Literal

from pawprint.core.params.section import Section


class Hardware(Section):
    """Precisions are dtype policies of Keras: https://keras.io/api/mixed_precision/policy/"""

    devices: Literal["auto", "cpu"]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
