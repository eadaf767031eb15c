"""Intervals and pictures."""

from pawprint.params.section import Count, Fraction, Section


class Preview(Section):
    samples: Count
    near_duplicates: Count


class Evaluate(Section):
    confidence: Fraction


class Plot(Section):
    predictions: Count
    errors: Count
    likely_wrong_labels: Count
