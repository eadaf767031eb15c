"""Where the pre-trained weights come from."""

from pawprint.core.params.section import Section
from pawprint.core.params.types import Sha256, Text


class Weights(Section):
    source: Text
    sha256: Sha256 | None
