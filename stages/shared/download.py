"""From a URL, a path or the mirror to a local file that holds the bytes."""

import hashlib
import logging
import os
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
import requests

from stages.shared.errors import InputError

MIRROR = "PAWPRINT_MIRROR"


def locate(source: str, sha256: str | None, key: str) -> Path:
    """A local file or folder for `source`: an `https`, `http` or `file` URL, or a path.

    A web URL is looked for by file name in the mirror first (the environment variable
    PAWPRINT_MIRROR, a folder or a base URL), then downloaded once and kept in the user's cache.
    Raises InputError that names `key`, the parameter `source` came from.
    """
    scheme = urlsplit(source).scheme
    if scheme in ("http", "https"):
        return _from_mirror(source, sha256) or _download(source, sha256, key)
    path = Path(url2pathname(urlsplit(source).path)) if scheme == "file" else _in_project(source)
    if not path.exists():
        raise InputError(
            f"{key}: expected a URL, or the path of a file or folder. Received: {source!r}, "
            "where nothing is."
        )
    return path


def verify(path: Path, sha256: str | None, key: str) -> None:
    """Raise InputError unless the file has the SHA-256 that the parameters ask for, if any."""
    if sha256 is None:
        return
    received = pooch.file_hash(str(path))
    if received != sha256:
        raise InputError(
            f"{key}: expected a file with sha256 {sha256}. Received: {received}. "
            "Correct the hash if the new file is the one you want."
        )


def _in_project(path: str) -> Path:
    """`path`, relative ones from the project's root.

    DVC runs queued experiments in copies of the project under `.dvc/tmp`; there too a relative
    path means the same file.
    """
    here = Path.cwd()
    roots = [parent.parent for parent in here.parents if parent.name == ".dvc"]
    return Path(roots[0] if roots else here, path)


def _from_mirror(url: str, sha256: str | None) -> Path | None:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return None
    name = _file_name(url)
    if urlsplit(mirror).scheme in ("http", "https"):
        try:
            return _cached(f"{mirror.rstrip('/')}/{name}", sha256)
        except requests.HTTPError:
            return None
        except (requests.RequestException, ValueError, OSError) as error:
            raise InputError(f"{MIRROR}: expected {name} at {mirror}. Received: {error}") from None
    folder = _in_project(mirror)
    if not folder.is_dir():
        raise InputError(f"{MIRROR}: expected a folder or a base URL. Received: {mirror!r}.")
    path = folder / name
    return path if path.is_file() else None


def _download(url: str, sha256: str | None, key: str) -> Path:
    try:
        return _cached(url, sha256)
    except requests.RequestException as error:
        reason = type(getattr(error.args[0] if error.args else None, "reason", error)).__name__
        status = getattr(error.response, "status_code", None)
        raise InputError(
            f"{key}: could not download {url} ({f'HTTP status {status}' if status else reason}). "
            f"Three ways on: set {MIRROR} to a folder or URL that holds {_file_name(url)}, "
            f"point {key} at a file on this machine, or run `make demo`, which needs no data."
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{key}: could not keep {url}. Received: {error}") from None


def _cached(url: str, sha256: str | None) -> Path:
    """The file at `url` in the user's cache, downloaded if it is not there or its hash is wrong."""
    name = _file_name(url)
    # A folder for each URL: files of one name from two places must not be taken for each other.
    folder = pooch.os_cache("pawprint") / hashlib.sha256(url.encode()).hexdigest()[:16]
    pooch.get_logger().setLevel(logging.WARNING)
    store = pooch.create(folder, "", registry={name: sha256}, urls={name: url}, retry_if_failed=2)
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    return Path(store.fetch(name, downloader=downloader))


def _file_name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name
