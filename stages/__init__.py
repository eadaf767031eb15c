"""The scripts that DVC runs, one for each stage."""

import sys

from pawprint.pipeline.entry import begin_imports, shorten_ctrl_c

sys.excepthook = shorten_ctrl_c  # set this before a script's imports, which take seconds
if sys.argv[0] == "-m":  # Python is still looking for the script to run
    begin_imports()  # until `run_stage`
