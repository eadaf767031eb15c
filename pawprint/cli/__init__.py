"""The commands of `python -m pawprint`."""
