"""The layers after the backbone."""

from typing import Literal

from pawprint.core.params.section import Section
from pawprint.core.params.types import BelowOne, Count, NotNegative


class Dense(Section):
    units: Count
    l2: NotNegative = 0.0
    batch_normalization: bool = False


class Head(Section):
    dense: Dense | None
    dropout: BelowOne
    output: Literal["probabilities", "logits"]
