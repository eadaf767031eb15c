"""Import modules in less time.

Imported modules stay in memory until the process ends, so they contain no garbage. Without garbage
collection, `import tensorflow, keras` takes 4.2 instead of 5.0 CPU seconds. `import openvino` also
imports its converter, which takes two thirds of the time and which only keras_model.py uses.
"""

import contextlib
import gc
import sys
from collections.abc import Iterable, Iterator

_begun = contextlib.ExitStack()


@contextlib.contextmanager
def without_modules(names: Iterable[str]) -> Iterator[None]:
    """Make imports of these modules fail in the block, unless they are already imported."""
    hidden = {*names} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)  # Python empties it when it exits


def begin() -> None:
    """Stop the garbage collector and hide OpenVINO's converter until `end`."""
    gc.disable()
    _begun.enter_context(without_modules(["openvino.tools"]))  # OpenVINO goes on without it


def end() -> None:
    """Undo `begin`. The garbage collector ignores existing objects from now on.

    The converter can be imported again, but an `openvino` that was imported before lacks it.
    """
    gc.freeze()
    gc.enable()
    _begun.close()


@contextlib.contextmanager
def block() -> Iterator[None]:
    """Import modules quickly in the block. If `begin` was called before, `end` comes later."""
    is_first = gc.isenabled()
    begin()
    try:
        yield
    finally:
        if is_first:
            end()
