"""Find a source locally, in the mirror, or download it."""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import platformdirs
import requests
import urllib3
from tqdm import tqdm

from pawprint.core.errors import InputError
from pawprint.core.sources import without_secrets

MIRROR = "PAWPRINT_MIRROR"
TIMEOUT = 30  # seconds without a byte
RETRIES = 2  # of a broken connection
# A server that sends less in a minute is out of order: a telephone modem sends 400,000 bytes.
MIN_BYTES, WINDOW = 60_000, 60  # seconds
# The largest download. The training images of ImageNet have 148 GB; an answer without end would
# fill the disk.
MAX_BYTES = 200 * 10**9
CHUNK = 2**20
# What a server says of a version of a file, and how it is asked whether it has another one:
# https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
BROKEN = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)
FAILED = (requests.RequestException, urllib3.exceptions.HTTPError)

Check = Callable[[str], bool]


class RefusedError(requests.RequestException):
    """An answer that is not accepted; the message says why."""


def locate(source: str, sha256: str | None, key: str, is_right: Check) -> Path:
    """The local file or folder for `source`: an `https`, `http` or `file` URL, or a path.

    A web URL is searched by file name in the mirror (the environment variable PAWPRINT_MIRROR, a
    folder or a base URL), and otherwise downloaded to the user's cache. A cached file with the
    SHA-256 given is used without a request. Without a SHA-256 the server is asked whether its file
    has changed; if it cannot be reached, the cached file is used and a line on stderr says so.

    A download must have the SHA-256 and pass `is_right`, because a server may answer with an error
    page. A broken download is retried; one that is too slow or too large, and a redirect from https
    to http, are refused. Raises InputError that names `key`, the parameter of the source.
    """
    shown = without_secrets(source)
    try:
        if is_web(source):
            if urlsplit(source).path.endswith("/") or _file_name(source) in ("", ".", ".."):
                raise InputError(
                    f"{key}: expected the URL of a file. Received: {shown}, which names a folder."
                )
            return _from_mirror(source, sha256, is_right) or _from_source(
                source, sha256, key, is_right
            )
        located = in_project(local_path(source))
        is_there = located.exists()
    except (OSError, ValueError):  # an impossible file name, or an incomplete URL
        is_there = False
    if not is_there:
        raise InputError(
            f"{key}: expected a URL, or the path of a file or folder. Received: {shown!r}, "
            "which does not exist."
        )
    if not located.is_file() and not located.is_dir():
        raise InputError(
            f"{key}: expected a URL, or the path of a file or folder. Received: {shown!r}, "
            "which is a device, a pipe or similar."
        )
    return located


def is_web(source: str) -> bool:
    """Whether the source is an `https` or `http` URL. Raises ValueError for an incomplete URL."""
    return urlsplit(source).scheme in ("http", "https")


def local_path(source: str) -> str:
    """The path of a source that is a path or a `file` URL."""
    parts = urlsplit(source)
    return url2pathname(parts.path) if parts.scheme == "file" else source


def in_project(path: str) -> Path:
    """The path; a relative one is relative to the root of the project.

    DVC runs queued experiments in copies of the project under `.dvc/tmp`. There too, a relative
    path is relative to the original project.
    """
    here = Path.cwd()
    roots = [parent.parent for parent in here.parents if parent.name == ".dvc"]
    return Path(roots[0] if roots else here, path)


def verify(path: Path, sha256: str | None, key: str) -> None:
    """Raise InputError if the file has another SHA-256 than the one given, if any."""
    received = sha256 and _digest(path)
    if received != sha256:
        raise InputError(
            f"{key}: expected a file with sha256 {sha256}. Received: {received}. "
            "Correct the hash if this file is the right one."
        )


def _from_mirror(url: str, sha256: str | None, is_right: Check) -> Path | None:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return None
    name, shown = _file_name(url), without_secrets(mirror)
    base = urlsplit(mirror)
    if base.scheme in ("http", "https"):
        try:
            in_mirror = base._replace(path=f"{base.path.rstrip('/')}/{name}").geturl()
            return _download(in_mirror, sha256, MIRROR, is_right)
        except (*FAILED, OSError) as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code == requests.codes.not_found:
                return None
            raise InputError(
                f"{MIRROR}: expected {name} at {shown}. Received: {_reason(error)}"
            ) from None
    folder = in_project(mirror)
    if not folder.is_dir():
        raise InputError(f"{MIRROR}: expected a folder or a base URL. Received: {shown!r}.")
    path = folder / name
    return path if path.is_file() else None


def _from_source(url: str, sha256: str | None, key: str, is_right: Check) -> Path:
    try:
        return _download(url, sha256, key, is_right)
    except FAILED as error:
        raise InputError(
            f"{key}: could not download {without_secrets(url)} ({_reason(error)}). "
            f"Set {MIRROR} to a folder or URL that has {_file_name(url)}, set {key} to a local "
            "file, or run `make demo`, which needs no data."
        ) from None
    except OSError as error:
        raise InputError(
            f"{key}: could not save {without_secrets(url)}. Received: {error}"
        ) from None


def _reason(error: Exception) -> str:
    """Short, and without the URL, which may hold a password."""
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, RefusedError) or not isinstance(error, FAILED):
        return str(error)
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return type(getattr(cause, "reason", cause)).__name__


def _download(url: str, sha256: str | None, key: str, is_right: Check) -> Path:
    """The file at `url` in the user's cache, as the server has it now."""
    # A folder for each URL, because two URLs may have the same file name.
    folder = (
        platformdirs.user_cache_path("pawprint", appauthor=False)
        / (hashlib.sha256(url.encode()).hexdigest()[:16])
    )
    for _ in range(RETRIES):
        with contextlib.suppress(*BROKEN):
            return _revalidated(url, folder, sha256, key, is_right)
    return _revalidated(url, folder, sha256, key, is_right)


def _revalidated(url: str, folder: Path, sha256: str | None, key: str, is_right: Check) -> Path:
    file, record = folder / "file", folder / "file.json"
    digest = _digest(file) if file.is_file() else None
    if digest and digest == sha256:
        return file
    known = _read(record)
    # A record of another file: another process, or one that was killed, wrote only one of the two.
    is_known = bool(digest) and digest == known.get("sha256") and sha256 is None
    headers = {VALIDATORS[name]: known[name] for name in VALIDATORS if is_known and known.get(name)}
    try:
        response = requests.get(
            url,
            headers=headers | {"Accept-Encoding": "identity"},
            hooks={"response": _stay_secure},
            stream=True,
            timeout=TIMEOUT,
        )
    except (requests.ConnectionError, requests.Timeout) as error:
        if not is_known:
            raise
        print(
            f"{key}: could not reach {without_secrets(url)} ({_reason(error)}). "
            "Its last download is used, which may be outdated.",
            file=sys.stderr,
        )
        return file
    with response:
        if response.status_code == requests.codes.not_modified and is_known:
            return file
        response.raise_for_status()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="part-") as parts:
            partial = Path(parts, "file")
            _receive(response, partial)
            verify(partial, sha256, key)
            if not is_right(str(partial)):
                with partial.open("rb") as received:
                    raise InputError(
                        f"{key}: could not use {without_secrets(url)}. Received: another kind of "
                        f"file, which begins with {received.read(40)!r}"
                    )
            known = {name: response.headers.get(name) for name in VALIDATORS}
            known["sha256"] = _digest(partial)
            Path(parts, "record").write_text(json.dumps(known), encoding="utf-8")
            partial.replace(file)
            Path(parts, "record").replace(record)
    return file


def _receive(response: requests.Response, path: Path) -> None:
    """Write the body to a file. Raises RefusedError if it is too large or comes too slowly."""
    received = before = 0
    end = time.monotonic() + WINDOW
    total = response.raw.length_remaining
    progress = tqdm(total=total, unit="B", unit_scale=True, desc="download", disable=None)
    with path.open("wb") as file, progress:
        # read1 returns what has arrived; other methods wait for a whole chunk.
        while data := response.raw.read1(CHUNK, decode_content=True):
            file.write(data)
            progress.update(len(data))
            received += len(data)
            if received > MAX_BYTES:
                raise RefusedError(f"more than {MAX_BYTES:,} bytes")
            if time.monotonic() > end:
                if received - before < MIN_BYTES:
                    raise RefusedError(f"fewer than {MIN_BYTES:,} bytes in {WINDOW} seconds")
                before, end = received, time.monotonic() + WINDOW


def _stay_secure(response: requests.Response, **_) -> None:
    """Refuse a redirect from https to http, which would allow others to change the file."""
    target = urljoin(response.url, response.headers.get("location", ""))
    if response.is_redirect and response.url.startswith("https:") > target.startswith("https:"):
        raise RefusedError(f"redirected from https to {without_secrets(target)}")


def _read(record: Path) -> dict:
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name
