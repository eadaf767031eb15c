"""The one exception for what a user can put right."""


class InputError(SystemExit):
    """A wrong parameter, file or source: ends the process with its one line on stderr and status 1.

    The message names the file or key, what was expected, what came, and what to do.
    """
