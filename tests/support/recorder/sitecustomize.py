"""Record which files a stage opens. Python runs this file at startup, from PYTHONPATH.

DVC sets DVC_STAGE and DVC_ROOT for the command of a stage. RECORD is the folder for a file per
stage, which contains a line for each file below DVC_ROOT: `read PATH` or `write PATH`. This
includes modules. Readers in C and C++ are missing, because they do not raise audit events.
"""

import os
import sys
from pathlib import Path


def _record(root: Path, file: Path) -> None:
    lines = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(kind: str, opened: object) -> None:
        if isinstance(opened, int):  # descriptor of a file that is already open
            return
        path = Path(os.path.realpath(os.fsdecode(opened)))
        if path.is_relative_to(root) and (kind == "write" or path.is_file()):
            os.write(lines, f"{kind} {path.relative_to(root).as_posix()}\n".encode())

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            write("write" if flags & (os.O_WRONLY | os.O_RDWR) else "read", path)
        elif event == "os.rename":
            write("write", arguments[1])

    sys.addaudithook(hook)


if os.environ.get("RECORD") and os.environ.get("DVC_STAGE"):
    _record(
        Path(os.environ["DVC_ROOT"]).resolve(),
        Path(os.environ["RECORD"], f"{os.environ['DVC_STAGE']}.txt"),
    )
