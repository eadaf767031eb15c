"""Compiled networks, run by OpenVINO."""
