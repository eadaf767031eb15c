"""The command `score`."""

from pawprint.cli.photos import add_score as add_arguments
from pawprint.cli.photos import run_score as run

__all__ = ["add_arguments", "run"]
