"""The scripts that DVC runs, one for each stage."""

import sys

from pawprint.pipeline.entry import shorten_ctrl_c

sys.excepthook = shorten_ctrl_c  # before a script's imports, which take seconds
