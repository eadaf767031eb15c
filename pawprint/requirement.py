"""The line of requirements.txt that names this package, by the place it was installed from."""

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pawprint.errors import InputError, printable
from pawprint.package import DISTRIBUTION

LINE = re.compile(rf"(?:{DISTRIBUTION}\s*(?:\[.*\]\s*)?(?:@|==)|-e|--editable)\s*(\S+)")
LOCAL = re.compile(rf"(git\+file:\S+)#egg={DISTRIBUTION}")  # older versions of pip need this form


def requirement() -> str:
    """Such as `pawprint-dvc @ git+https://host/pawprint@v0.2.0`: never a bare name.

    Raises InputError if the package is not installed, as where a clone of it runs without.
    """
    version, origin = _installed()
    if origin is None:
        return f"{DISTRIBUTION}=={version}"
    if origin.get("dir_info", {}).get("editable"):
        return f"--editable {origin['url']}"
    address = _addresses(version, origin)[0]
    if address.startswith("git+file:"):
        return f"{address}#egg={DISTRIBUTION}"
    return f"{DISTRIBUTION} @ {address}"


def require_installed(path: Path) -> None:
    """Raise InputError unless the installed package is the one that a requirements.txt names."""
    version, origin = _installed()
    lines = path.read_text("utf-8").splitlines()
    given = [found[1] for line in lines if (found := LOCAL.match(line) or LINE.match(line))]
    known = [version] if origin is None else _addresses(version, origin)
    if not set(given) & set(known):
        received = printable(_readable(" ".join(given))) or "no line of it"
        raise InputError(
            f"{path}: expected the package that is installed, {_readable(known[0])}. Received: "
            f"{received}. To install that, run `pip install --force-reinstall --no-deps` with its "
            "line; to keep what is installed, run `pawprint upgrade`."
        )


def _readable(address: str) -> str:
    """Without what looks like a password before an @."""
    return re.sub(r"@([^@]+)$", r" at \1", address)


def _installed() -> tuple[str, dict | None]:
    """The version, and what pip recorded of the origin: None for an index of packages (PEP 610)."""
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise InputError(
            f"{DISTRIBUTION}: expected the package to be installed. Received: a folder of it. Run "
            "`pip install` with that folder."
        ) from None
    text = found.read_text("direct_url.json")
    return found.version, json.loads(text) if text else None


def _addresses(version: str, origin: dict) -> list[str]:
    """The ways to write where the package is from; the first one is exact, if there is one."""
    url = origin["url"]
    if git := origin.get("vcs_info"):
        asked, commit = git.get("requested_revision"), git["commit_id"]
        of_commit, of_asked = (
            f"{git['vcs']}+{url}{f'@{rev}' * bool(rev)}" for rev in (commit, asked)
        )
        return [of_asked, of_commit] if asked == f"v{version}" else [of_commit, of_asked]
    hashes = origin.get("archive_info", {}).get("hashes", {})
    return [*(f"{url}#{name}={value}" for name, value in hashes.items()), url]
