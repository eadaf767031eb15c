"""Import modules in less time.

Imported modules stay in memory until the process ends, so they contain no garbage. Without garbage
collection, `import tensorflow, keras` takes 4.2 instead of 5.0 CPU seconds. `import openvino` also
imports its converter, which takes two thirds of the time and which only keras_model.py uses.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator

CONVERTER = "openvino.tools"


def begin() -> None:
    """Stop the garbage collector and hide OpenVINO's converter until `end`."""
    gc.disable()
    # Python refuses to import a module that is None here, and OpenVINO then goes on without it.
    sys.modules.setdefault(CONVERTER, None)  # type: ignore[arg-type]


def end() -> None:
    """Undo `begin`. The garbage collector ignores existing objects from now on.

    The converter can be imported again, but an `openvino` that was imported before lacks it.
    """
    gc.freeze()
    gc.enable()
    if sys.modules.get(CONVERTER) is None:
        sys.modules.pop(CONVERTER, None)


@contextlib.contextmanager
def block() -> Iterator[None]:
    """Import modules quickly in the block, unless the garbage collector is already off."""
    if not gc.isenabled():
        yield
        return
    begin()
    try:
        yield
    finally:
        end()
