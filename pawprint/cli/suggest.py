"""The command `suggest`."""

from pawprint.cli.photos import add_suggest as add_arguments
from pawprint.cli.photos import run_suggest as run

__all__ = ["add_arguments", "run"]
