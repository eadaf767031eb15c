"""The scripts that DVC runs, one for each stage."""

import sys

from pawprint.pipeline.entry import note_code, shorten_ctrl_c

# Before a script's imports, which take seconds.
sys.excepthook = shorten_ctrl_c
note_code()
