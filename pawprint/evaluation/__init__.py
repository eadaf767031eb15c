"""Metrics, intervals, calibration, comparison of runs, review and suggestion of labels."""
