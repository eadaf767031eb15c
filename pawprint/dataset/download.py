"""Find a source locally, in the mirror, or download it."""

import hashlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import pooch
import requests

from pawprint.core.errors import InputError

MIRROR = "PAWPRINT_MIRROR"
TIMEOUT = 30  # seconds without a byte
RETRIES = 2
UNWATCHED = "stages/fetch.py"  # on which fetch depends in any case

Check = Callable[[str], bool]


def locate(source: str, sha256: str | None, key: str, is_right: Check) -> Path:
    """The local file or folder for `source`: an `https`, `http` or `file` URL, or a path.

    A web URL is searched by file name in the mirror (the environment variable PAWPRINT_MIRROR, a
    folder or a base URL), and otherwise downloaded once to the user's cache. The download must
    pass `is_right`, because a server may answer with an error page. An interrupted download is
    retried; a redirect from https to http is refused. Raises InputError that names `key`, the
    parameter of the source.
    """
    try:
        scheme, path = urlsplit(source).scheme, urlsplit(source).path
        if scheme in ("http", "https"):
            return _from_mirror(source, sha256, is_right) or _download(
                source, sha256, key, is_right
            )
        located = Path(url2pathname(path)) if scheme == "file" else _in_project(source)
        is_there = located.exists()
    except (OSError, ValueError):  # an impossible file name, or an incomplete URL
        is_there = False
    if not is_there:
        raise InputError(
            f"{key}: expected a URL, or the path of a file or folder. Received: {source!r}, "
            "which does not exist."
        )
    return located


def require_watched(source: str, watch: str) -> None:
    """Raise InputError unless DVC hashes `watch` for `source`: see `fetch.watch`.

    A local source must be watched itself. A web URL must not, because DVC would ask the server in
    each `dvc repro`; then `watch` is UNWATCHED. A source that does not exist is left to `locate`.
    """
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        expected, why = UNWATCHED, "because fetch.source is a URL"
    else:
        is_url = parts.scheme == "file"
        expected = url2pathname(parts.path) if is_url else source
        why = "the path of fetch.source, so that DVC notices when its files change"
    path = _in_project(expected)
    if path.exists() and path.resolve() != _in_project(watch).resolve():
        raise InputError(
            f"fetch.watch: expected {expected}, {why}. Received: {watch}. Set fetch.watch to "
            f"{expected}."
        )


def verify(path: Path, sha256: str | None, key: str) -> None:
    """Raise InputError if the file has another SHA-256 than the one given, if any."""
    if sha256 is None:
        return
    received = pooch.file_hash(str(path))
    if received != sha256:
        raise InputError(
            f"{key}: expected a file with sha256 {sha256}. Received: {received}. "
            "Correct the hash if this file is the right one."
        )


def _in_project(path: str) -> Path:
    """The path; a relative one is relative to the root of the project.

    DVC runs queued experiments in copies of the project under `.dvc/tmp`. There too, a relative
    path is relative to the original project.
    """
    here = Path.cwd()
    roots = [parent.parent for parent in here.parents if parent.name == ".dvc"]
    return Path(roots[0] if roots else here, path)


def _from_mirror(url: str, sha256: str | None, is_right: Check) -> Path | None:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return None
    name = _file_name(url)
    if urlsplit(mirror).scheme in ("http", "https"):
        try:
            return _cached(f"{mirror.rstrip('/')}/{name}", sha256, is_right)
        except requests.HTTPError:
            return None
        except (requests.RequestException, ValueError, OSError) as error:
            raise InputError(f"{MIRROR}: expected {name} at {mirror}. Received: {error}") from None
    folder = _in_project(mirror)
    if not folder.is_dir():
        raise InputError(f"{MIRROR}: expected a folder or a base URL. Received: {mirror!r}.")
    path = folder / name
    return path if path.is_file() else None


def _download(url: str, sha256: str | None, key: str, is_right: Check) -> Path:
    try:
        return _cached(url, sha256, is_right)
    except requests.RequestException as error:
        raise InputError(
            f"{key}: could not download {url} ({_reason(error)}). "
            f"Set {MIRROR} to a folder or URL that has {_file_name(url)}, set {key} to a local "
            "file, or run `make demo`, which needs no data."
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{key}: could not save {url}. Received: {error}") from None


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, InsecureRedirectError):
        return str(error)
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return type(getattr(cause, "reason", cause)).__name__


def _cached(url: str, sha256: str | None, is_right: Check) -> Path:
    """The file at `url` in the user's cache, downloaded if it is not there or its hash is wrong."""
    name = _file_name(url)
    # A folder for each URL, because two URLs may have the same file name.
    folder = pooch.os_cache("pawprint") / hashlib.sha256(url.encode()).hexdigest()[:16]
    pooch.get_logger().setLevel(logging.WARNING)
    store = pooch.create(
        folder, "", registry={name: sha256}, urls={name: url}, retry_if_failed=RETRIES
    )
    http = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), timeout=TIMEOUT, hooks={"response": _stay_secure}
    )

    def download(url: str, output: str, store: pooch.Pooch) -> None:
        http(url, output, store)
        if not is_right(output):
            with Path(output).open("rb") as file:
                raise ValueError(f"another kind of file, which begins with {file.read(40)!r}")

    return Path(store.fetch(name, downloader=download))


class InsecureRedirectError(requests.RequestException):
    """A redirect from https to http, which would allow others to change the file."""


def _stay_secure(response: requests.Response, **_) -> None:
    target = urljoin(response.url, response.headers.get("location", ""))
    if response.is_redirect and response.url.startswith("https:") > target.startswith("https:"):
        raise InsecureRedirectError(f"redirected from https to {target}")


def _file_name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name
