"""Loading a third-party model in another process first, whose time and memory are limited.

A model file can crash the library that reads it, or let it allocate memory without end, before any
check of its contents. Here that ends the other process only.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from pawprint.core.errors import InputError
from pawprint.serving.predictor import load_predictor

SECONDS = 60
BYTES = 8 * 2**30  # of memory; not limited on Windows and macOS


def require_loadable(folder: Path) -> None:
    """Raise InputError unless another process can load the model in `folder` and run it once."""
    command = [sys.executable, "-X", "utf8", "-m", "pawprint.serving.trial", str(folder)]
    try:
        tried = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        received = f"no answer in {SECONDS} s"
    else:
        if tried.returncode == 0:
            return
        if tried.returncode == 1 and tried.stderr:
            raise InputError(tried.stderr.splitlines()[-1])
        received = f"an end of its process with status {tried.returncode}"
    raise InputError(
        f"{folder}: expected a model that a process loads in {SECONDS} s and "
        f"{BYTES / 2**30:.0f} GiB of memory. Received: {received}"
    )


if __name__ == "__main__":
    with contextlib.suppress(ImportError, ValueError):  # Windows; a lower limit is set already
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    load_predictor(Path(sys.argv[1]))
