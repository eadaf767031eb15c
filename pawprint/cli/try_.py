"""The command `try`."""

from pawprint.cli.candidates import add_try as add_arguments
from pawprint.cli.candidates import run_try as run

__all__ = ["add_arguments", "run"]
