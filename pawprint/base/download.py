"""Download a file from the mirror, from the user's cache, or from its server.

Other libraries keep a whole file in memory (requests-cache), truncate it at 2 GiB (CacheControl),
or return an outdated file if the hash is unknown (pooch).
"""

import hashlib
import os
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import platformdirs
import requests
from filelock import FileLock
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from pawprint.base.errors import InputError
from pawprint.base.files import digest, replacing
from pawprint.base.threads import track

MIRROR = "PAWPRINT_MIRROR"
TIMEOUT = 30  # seconds without receiving any data
RETRY = Retry(
    2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False, respect_retry_after_header=False,
)  # fmt: skip


def download(url: str, sha256: str | None, key: str) -> Path:
    """Return the local copy of the file at an `https` or `http` URL.

    First searches for the file name in the folder given by the environment variable
    PAWPRINT_MIRROR. If a cached file has the given SHA-256, no request is made. A redirect from
    https to http is rejected. Raises InputError, which begins with `key`.
    """
    name = PurePosixPath(urlsplit(url).path).name
    mirror = os.environ.get(MIRROR)
    if mirror and not Path(mirror).is_dir():
        raise InputError(f"{MIRROR}: expected a folder. Received: {mirror!r}.")
    path = Path(mirror, name) if mirror and name else None
    try:
        if not path or not path.is_file():
            path = _cached_file(url, sha256)
        file_sha256 = sha256 and digest(path)
    # Errors of `requests` are OSErrors, so this may be the disk or the network.
    except OSError as error:
        raise InputError(
            f"{key}: cannot download {url} ({_reason(error)}). Set {MIRROR} to a folder that "
            "contains the file, or use a local copy."
        ) from None
    if file_sha256 != sha256:
        raise InputError(
            f"{key}: expected a file with sha256 {sha256}. Received: {file_sha256}. Correct the "
            "hash if this file is the right one."
        )
    return path


def _cached_file(url: str, sha256: str | None) -> Path:
    cache = platformdirs.user_cache_path("pawprint", appauthor=False)
    folder = cache / hashlib.sha256(url.encode()).hexdigest()[:16]  # file names are not unique
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "file"
    with FileLock(folder / "lock"), requests.Session() as session:
        if sha256 and file.is_file() and digest(file) == sha256:
            return file
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRY))
        if url.startswith("https:"):  # a redirect to http would allow others to change the file
            del session.adapters["http://"]
        headers = {"Accept-Encoding": "identity"}
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            size = response.raw.length_remaining
            progress = track(None, "download", size, "B")
            with replacing(file) as partial, partial.open("wb") as out, progress:
                for data in response.iter_content(2**20):
                    out.write(data)
                    progress.update(len(data))
    return file


def _reason(error: OSError) -> str:
    """Return a short reason without the URL, which may contain a password."""
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return type(getattr(cause, "reason", cause)).__name__
