"""Pictures of results."""

from pawprint.core.params.section import Section
from pawprint.core.params.types import Count


class Plot(Section):
    predictions: Count
    errors: Count
    likely_wrong_labels: Count
