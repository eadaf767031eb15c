"""Find out where the package was installed from, how to upgrade it, and how others install it."""

import filecmp
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from pawprint.errors import InputError, without_secrets
from pawprint.git import try_git
from pawprint.package import DISTRIBUTION, PACKAGE, installed_version, origin

LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "::1")
REMOTE = ("git", "http", "https", "ssh")  # URL schemes that others can reach
SCP = re.compile(r"([\w.-]+@)?([\w.-]{2,}):(?!/?/)(.+)")  # git@host:team/repository.git


def place_of(found: dict | None) -> str:
    """Return the folder, file or public URL in `origin`, or else the folder of the code."""
    if not found:
        return str(PACKAGE.parent)
    # This module imports clients for HTTP and FTP, which stages do not need.
    from urllib.request import url2pathname

    url = found["url"]
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else _public(url)


def install_command(extras: str = "") -> str:
    """Return the command that installs this version with extras, such as "app,export"."""
    found = origin()
    extra = f"[{extras}]" if extras else ""
    if found == {}:
        return f"pip install '{DISTRIBUTION}{extra}'"
    if found and ("vcs_info" in found or not found["url"].startswith("file:")):
        return f"pip install '{DISTRIBUTION}{extra} @ {_address(found)}'"
    option = "-e " if found and found.get("dir_info", {}).get("editable") else ""
    return f"pip install {option}'{place_of(found)}{extra}'"


def renewal() -> str:
    """Return a sentence that explains how to upgrade this installation."""
    found = origin()
    if found == {}:
        return f"Run `pip install --upgrade {DISTRIBUTION}`"
    return f"Install a newer version from {place_of(found)}"


def pages() -> str:
    """Return where the documentation is, as far as the origin of the installation tells."""
    found = origin()
    if found is None or "dir_info" in found:
        return str(Path(place_of(found), "docs"))
    if "vcs_info" in found:
        return f"docs/ of {place_of(found)} at commit {found['vcs_info']['commit_id'][:10]}"
    return "docs/ of the repository"


def requirement() -> tuple[str, str]:
    """Return the line of requirements.txt that installs this package for others, and a note.

    The line is `pawprint-dvc==VERSION` for an index, the URL of a file, or `git+ORIGIN@COMMIT` for
    a repository that others can reach. It never contains a local path, a password or a token. If
    others cannot install the package, the line is a comment and the note explains what to do.
    Raises InputError if the package is not installed, for example if a clone is run without
    installation.
    """
    found = origin()
    if found is None:
        raise InputError(
            f"{DISTRIBUTION}: the package is not installed but runs from a folder. Run "
            f"`{install_command()}`."
        )
    if not found:
        return f"{DISTRIBUTION}=={installed_version()}", ""
    if not found["url"].startswith("file:"):
        return f"{DISTRIBUTION} @ {_address(found)}", ""
    folder = Path(place_of(found))
    if address := _address_of_clone(folder, found.get("vcs_info", {}).get("commit_id")):
        return f"{DISTRIBUTION} @ {address}", ""
    return (
        f"# {DISTRIBUTION} {installed_version()}: add the line that installs it for others",
        f"Before you share the project: requirements.txt does not list {DISTRIBUTION}, because "
        f"others cannot install it from {folder}. Push its commit to an origin that they can reach "
        f"and run `pawprint upgrade`, or add a line such as `{DISTRIBUTION} @ "
        "git+https://HOST/REPOSITORY`.",
    )


def _address(found: dict) -> str:
    """Return what installs this version, after "NAME @ ", without secrets."""
    url = found["url"] if found["url"].startswith("file:") else _public(found["url"])
    if "vcs_info" in found:
        return f"{found['vcs_info']['vcs']}+{url}@{found['vcs_info']['commit_id']}"
    sha256 = found.get("archive_info", {}).get("hashes", {}).get("sha256")
    return url + (f"#sha256={sha256}" if sha256 else "")


def _public(url: str) -> str:
    """Return a URL without password, token and query, but with the user `git` of SSH."""
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        user = f"{parts.username}@" if parts.username and not parts.password else ""
        return f"ssh://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"
    return without_secrets(url)


def _address_of_clone(folder: Path, commit: str | None) -> str | None:
    """Return the address of a commit at the origin of a clone; the default is the current commit.

    Returns None if others cannot reach the origin, if the commit is not there, or if the current
    commit is meant but the clone has changes or differs from the installed package.
    """
    if not os.access(folder / ".git", os.F_OK):  # it may be in a closed folder
        return None
    if commit is None:
        if try_git("status", "--porcelain", folder=folder) != "" or not _is_installed(folder):
            return None
        commit = (try_git("rev-parse", "HEAD", folder=folder) or "").strip()
    address = address_of((try_git("remote", "get-url", "origin", folder=folder) or "").strip())
    is_there = try_git("branch", "--remotes", "--contains", commit, folder=folder)
    return f"git+{address}@{commit}" if address and is_there else None


def _is_installed(clone: Path) -> bool:
    """Return whether the modules in a clone equal those of the installed package."""
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE)
        other = clone / name if name.parts[0] == "stages" else clone / "pawprint" / name
        if not other.is_file() or not filecmp.cmp(path, other, shallow=False):
            return False
    return True


def address_of(remote: str) -> str | None:
    """Return the URL of a Git remote without secrets, or None for a local remote."""
    scp = SCP.fullmatch(remote) if "://" not in remote else None
    url = f"ssh://{scp[1] or ''}{scp[2]}/{scp[3]}" if scp else remote
    parts = urlsplit(url)
    if parts.scheme not in REMOTE or (parts.hostname or "") in LOCAL_HOSTS:
        return None
    return _public(url)
