"""Where the pre-trained weights come from."""

from pawprint.core.params.section import Section
from pawprint.core.params.types import Sha256, Source


class Weights(Section):
    source: Source
    sha256: Sha256 | None
