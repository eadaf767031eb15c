"""The scripts that DVC runs, one for each stage."""

import sys

from pawprint import collector
from pawprint.pipeline.entry import shorten_ctrl_c

sys.excepthook = shorten_ctrl_c  # set this before a script's imports, which take seconds
if sys.argv[0] == "-m":  # Python is still looking for the script to run
    collector.pause()  # `run_stage` resumes it
