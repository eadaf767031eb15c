"""Scores of a run, with their intervals and tests, and the review of labels."""
