"""Find out where the package was installed from, and how others install it."""

from urllib.parse import urlsplit

from pawprint.base.errors import without_secrets
from pawprint.base.package import DISTRIBUTION, PACKAGE, installed_version, origin


def requirement(extras: str = "") -> str | None:
    """Return the requirement that installs this version for others, or None if they cannot.

    It is `pawprint-dvc==VERSION` from an index, or has the address of a file or of a commit, never
    with a local path, a password or a token. `extras` are such as "app,export".
    """
    found = origin()
    name = f"{DISTRIBUTION}[{extras}]" if extras else DISTRIBUTION
    if found == {}:
        return f"{name}=={installed_version()}"
    if not found or found["url"].startswith("file:"):
        return None
    address = _public(found["url"])
    if "vcs_info" in found:
        address = f"{found['vcs_info']['vcs']}+{address}@{found['vcs_info']['commit_id']}"
    sha256 = found.get("archive_info", {}).get("hashes", {}).get("sha256")
    return f"{name} @ {address}" + (f"#sha256={sha256}" if sha256 else "")


def line_of_requirement() -> str:
    """Return a project's line for this package in requirements.txt: `requirement` or a comment."""
    return requirement() or (
        f"# {DISTRIBUTION} {installed_version()} comes from this computer: edits of the package "
        "are seen, but others cannot install it"
    )


def install_command(extras: str = "") -> str:
    """Return the command that installs this version with extras, such as "app,export"."""
    if line := requirement(extras):
        return f"pip install '{line}'"
    # This module imports clients for HTTP and FTP, which stages do not need.
    from urllib.request import url2pathname

    found = origin() or {}
    place = url2pathname(urlsplit(found["url"]).path) if found else PACKAGE.parent
    option = "-e " if found.get("dir_info", {}).get("editable") else ""
    return f"pip install {option}'{place}{f'[{extras}]' if extras else ''}'"


def _public(url: str) -> str:
    """Return a URL without password, token and query, but with the user `git` of SSH."""
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        user = f"{parts.username}@" if parts.username and not parts.password else ""
        return f"ssh://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"
    return without_secrets(url)
