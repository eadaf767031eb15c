"""The one exception for what a user can put right, names in its line, and silence otherwise."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

# Also what stands for bytes that are no text, in the name of a file.
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class InputError(SystemExit):
    """A wrong parameter, file or source: ends the process with its one line on stderr and status 1.

    The message names the file or key, what was expected, what came, and what to do.
    """


def printable(name: str) -> str:
    r"""The name on one line that any terminal and file can hold: a newline in it becomes `\n`."""
    return CONTROL_CHARACTERS.sub(lambda found: found[0].encode("unicode_escape").decode(), name)


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: libraries in C++ write past `sys.stderr`."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
