"""Pictures before training."""

from pawprint.core.params.section import Section
from pawprint.core.params.types import Count


class Preview(Section):
    samples: Count
    near_duplicates: Count
