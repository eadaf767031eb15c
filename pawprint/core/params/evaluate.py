"""Intervals of results."""

from pawprint.core.params.section import Section
from pawprint.core.params.types import Fraction


class Evaluate(Section):
    confidence: Fraction
