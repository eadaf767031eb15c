"""Define the exception for users' mistakes, word messages, hide secrets, and silence stderr.

Stages import this module first, so that Ctrl-C is one line while they import all others.
"""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType

from pawprint.base.paths import CODE

# Lone surrogates represent bytes in a file name that are not text.
_CONTROL = "\x00-\x1f\x7f-\x9f\ud800-\udfff"
CONTROL_CHARACTERS = re.compile(f"[{_CONTROL}]")
# Characters without a width, some of which reverse the following text:
# https://www.unicode.org/reports/tr9/. Emoji and some scripts need the joiners, U+200C and U+200D.
_INVISIBLE = "\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_ESCAPED = re.compile(f"[{_CONTROL}{_INVISIBLE}]")
_STDERR = threading.RLock()
LONGEST = 1000  # characters in a line of a message
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "Model wasn't", "Summary:", "To facil")


class InputError(Exception):
    """A user's mistake, such as a wrong parameter, file or source.

    The message contains the file or key, the reason, and what to do. For a wrong value, it states
    what was expected and what was received. It may end with the folder tree of an archive. Entry
    points print it and exit with status 1.

    Secrets in the message are hidden, and very long lines are shortened in the middle.
    """

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(map(_public_line, message.split("\n"))))


class NoWeightsError(InputError):
    """The weights of a network are not on this computer and cannot be downloaded."""


def shorten_ctrl_c(kind: type, error: BaseException, traceback: TracebackType | None) -> None:
    """Print one line for Ctrl-C, as a `sys.excepthook`; Python then exits with SIGINT."""
    if kind is not KeyboardInterrupt:
        sys.__excepthook__(kind, error, traceback)
        return
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.stem
    if name == "-m":  # Python is still looking for the module
        name = sys.orig_argv[-1].rpartition(".")[2]
    print(f"\n{name}: stopped", file=sys.stderr)
    report_removed_outputs()


def report_removed_outputs() -> None:
    """Print what became of a stage's outputs, if DVC started it and it ends early."""
    if os.environ.get("DVC_STAGE", CODE.name) != CODE.name:
        print(
            "DVC has removed this stage's outputs. `dvc repro` creates them again; `pawprint "
            "discard` restores the last commit's run and params, if Git has one.",
            file=sys.stderr,
        )


def _public_line(line: str) -> str:
    # Shorten the text first, because patterns are slow on long text.
    return _shorten(without_secrets(_shorten(line, 2 * LONGEST)), LONGEST)


def _shorten(line: str, length: int) -> str:
    return line if len(line) <= length else f"{line[: length // 2]} … {line[-length // 2 :]}"


def printable(name: str) -> str:
    r"""Escape control characters and invisible ones in a name, such as a newline as `\n`."""
    return _ESCAPED.sub(lambda match: match[0].encode("unicode_escape").decode(), name)


def name_some(names: Iterable[str], most: int = 5) -> str:
    """Return at most `most` printable names, and the number of others: "a, b and 3 more"."""
    names = [printable(name) for name in names]
    more = f" and {len(names) - most:,} more" if names[most:] else ""
    return ", ".join(names[:most]) + more


def name_in_folder(path: str) -> str:
    """Return a file's name and its folder, because cameras repeat names."""
    return "/".join(PurePosixPath(path).parts[-2:])


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, such as "1 photo", "2,000 photos" or "2 boxes"."""
    plural = "es" if noun.endswith(("s", "x")) else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def one_of(values: Sequence[object]) -> str:
    """Return at least two values as a choice: "a, b or c"."""
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"


def is_printable(name: str) -> bool:
    """Return whether a name is printable; zero-width joiners count, because emoji need them."""
    return re.sub("[\u200c\u200d]", "", name).isprintable()


def reason(error: BaseException) -> str:
    """Return the first line of a library's error, printable, or the error's type if it is empty.

    OpenVINO's errors start with locations in its source, on lines that begin with NOISE.
    """
    lines = (line.strip() for line in str(error).splitlines())
    says = (line for line in lines if line and not line.startswith(NOISE))
    return printable(next(says, type(error).__name__))


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard everything written to file descriptor 2, because C++ does not use `sys.stderr`.

    Only one thread may do this at a time, because a second one would keep the discarding
    descriptor.
    """
    with _STDERR, Path(os.devnull).open("w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


# Patterns for any text, including malformed URLs, and their replacements. A password may contain
# any character, so everything up to the last @ is treated as part of it, except before a version,
# as in npm/onnxruntime-web@1.30.0/dist.
PATTERNS = (
    (r"(?:\b([a-z][a-z0-9+.-]+:/+)[^\n]*|//\S*|[^\s'\"(:]*:\S*)@(?!\d+\.\d+\.\d+/)", r"\1"),
    (r"(\b[a-z][a-z0-9+.-]+:/[^\s?#]*)[?#][^\s'\")]*", r"\1"),
    (r"\b([\w-]*(?:token|key|sig|signature|password|secret)=)[^\s&'\")]+", r"\1…"),
)


def hide_secrets(value: object) -> object:
    """Return the value of a param or section, applying `without_secrets` to all text in it."""
    if isinstance(value, dict):
        return {key: hide_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_secrets(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    """Return text without secrets in URLs (user, password, query, fragment) and secret values.

    Secret values are those of names such as token, key, signature and password.
    """
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return text
