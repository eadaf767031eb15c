"""The scripts that DVC runs, one for each stage."""

import sys

from pawprint.base.errors import shorten_ctrl_c

sys.excepthook = shorten_ctrl_c  # before all other imports, which take seconds

from pawprint.pipeline.entry import begin_imports  # noqa: E402

if sys.argv[0] == "-m":  # Python is still looking for the script to run
    begin_imports()  # until `run_stage`
