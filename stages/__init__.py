"""The scripts that DVC runs, one for each stage."""

import sys

from pawprint.base import quick_imports
from pawprint.pipeline.entry import shorten_ctrl_c

sys.excepthook = shorten_ctrl_c  # set this before a script's imports, which take seconds
if sys.argv[0] == "-m":  # Python is still looking for the script to run
    quick_imports.begin()  # until `run_stage`
