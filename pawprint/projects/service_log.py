"""Write the log of a service, with answers as JSON lines."""

import errno
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from pawprint.errors import InputError, printable
from pawprint.files import detach

STDOUT = ("-", "/dev/stdout")


class AnswerLog:
    """A file to which threads and processes append lines of JSON, each with a single write.

    Each line identifies the model, so that a log may contain several models. The file is opened for
    every line, so that it can be moved or truncated. A full disk or a power failure may cut a line;
    `answers.read_answers` skips it.
    """

    def __init__(self, path: Path, model: str | None) -> None:
        """Open or create the file. Raises InputError if that fails."""
        self._path = path
        self._model = model
        self._lock = threading.Lock()
        self._may_be_cut = False
        try:
            self._write(b"")
            self._may_be_cut = path.is_file() and path.stat().st_size > 0
        except OSError as error:
            raise InputError(
                f"cannot append to {printable(str(path))}: {error.strerror}."
            ) from None

    def append(self, sha256: str, answer: dict) -> None:
        """Append a line with the time, the hash of an image, its answer and the model.

        Raises OSError. In this case, part of the line may be in the file.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        keys = ("label", "probabilities", "unknown_score")
        record = {"time": time, "pixels_sha256": sha256} | {key: answer[key] for key in keys}
        line = json.dumps(record | {"model": self._model}, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            is_cut, self._may_be_cut = self._may_be_cut, True
            self._write(b"\n" + line if is_cut else line)  # an empty line is not an answer
            self._may_be_cut = False

    def _write(self, data: bytes) -> None:
        if str(self._path) in STDOUT:
            descriptor = os.dup(1)
        else:
            detach(self._path)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if os.write(descriptor, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
