"""The command `monitor`."""

from pawprint.cli.photos import add_monitor as add_arguments
from pawprint.cli.photos import run_monitor as run

__all__ = ["add_arguments", "run"]
