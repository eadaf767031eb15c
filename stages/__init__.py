"""The scripts that DVC runs, one for each stage."""

import gc
import sys

from pawprint.pipeline.entry import shorten_ctrl_c

sys.excepthook = shorten_ctrl_c  # before a script's imports, which take seconds
if sys.argv[0] == "-m":  # as long as Python looks for the script to run
    gc.disable()  # imported modules stay, so it finds nothing; `run_stage` enables it
