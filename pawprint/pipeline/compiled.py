"""Compile modules for Python, so that a stage never runs an earlier version of one."""

import compileall
import contextlib
from collections.abc import Iterable
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from py_compile import PycInvalidationMode

CHECKED_HASH = PycInvalidationMode.CHECKED_HASH
FLAGS = b"\3\0\0\0"  # of a module compiled with CHECKED_HASH: https://peps.python.org/pep-0552/


def compile_modules(folders: Iterable[Path]) -> None:
    """Compile all modules in these folders, unless their compiled files are up to date."""
    for folder in folders:
        for path in folder.rglob("*.py"):
            compile_module(path)


def compile_module(path: Path) -> None:
    """Compile a module for Python, unless its file in `__pycache__` has the hash of its source.

    By default, Python identifies a compiled module by the size and the modification time, in
    seconds, of its source. If both matched, it would run an earlier version of the module.
    """
    with contextlib.suppress(OSError):
        header = MAGIC_NUMBER + FLAGS + source_hash(path.read_bytes())
        if Path(cache_from_source(path)).read_bytes().startswith(header):
            return
    compileall.compile_file(path, force=True, quiet=2, invalidation_mode=CHECKED_HASH)
