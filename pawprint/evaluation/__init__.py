"""Metrics, intervals, calibration and comparison of runs."""
