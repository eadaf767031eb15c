"""Convert the names of files to names in an archive, and require names that DVC accepts."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pawprint.errors import InputError, printable


def require_utf8(paths: Iterable[Path]) -> None:
    """Raise InputError if a path is not UTF-8, because DVC would fail without naming the path."""
    for path in paths:
        # Python decodes invalid bytes to these characters.
        if re.search(r"[\ud800-\udfff]", str(path)):
            raise InputError(
                f"{printable(str(path))}: expected a name in UTF-8, which DVC requires. Received: "
                "a different encoding. Rename the file."
            )


def member_name(path: str) -> str:
    """Return the zip member name for a path with slashes, as valid text without ./.

    A name that is not UTF-8 is read as cp437, the default in zip files.
    """
    name = PurePosixPath(path).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp437")
    return name
