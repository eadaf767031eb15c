"""The one exception for what a user can put right, and names in its line."""

import re

# Also what stands for bytes that are no text, in the name of a file.
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class InputError(SystemExit):
    """A wrong parameter, file or source: ends the process with its one line on stderr and status 1.

    The message names the file or key, what was expected, what came, and what to do.
    """


def printable(name: str) -> str:
    r"""The name on one line that any terminal and file can hold: a newline in it becomes `\n`."""
    return CONTROL_CHARACTERS.sub(lambda found: found[0].encode("unicode_escape").decode(), name)
