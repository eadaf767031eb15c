"""Find out where the package was installed from, how to upgrade it, and how others install it."""

import filecmp
import re
from pathlib import Path
from urllib.parse import urlsplit

from pawprint.errors import InputError, without_secrets
from pawprint.git import git, try_git
from pawprint.package import DISTRIBUTION, PACKAGE, installed_version, origin, path_of

LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "[::1]", "::1")
REMOTE = ("git", "http", "https", "ssh")  # URL schemes that others can reach
SCP = re.compile(r"([\w.-]+@)?([\w.-]{2,}):(?!/?/)(.+)")  # git@host:team/repository.git
NEEDED = f"requirements.txt does not list {DISTRIBUTION}"
SHARED = (
    "To share this project, add a line that lets others install the package, such as "
    f"`{DISTRIBUTION}==VERSION` or `{DISTRIBUTION} @ git+https://HOST/REPOSITORY`"
)


def install_command(extras: str = "") -> str:
    """Return the command that installs this version with extras, such as "app,export"."""
    found = origin()
    extra = f"[{extras}]" if extras else ""
    named = DISTRIBUTION + extra
    if found is None:
        return f"pip install '{PACKAGE.parent}{extra}'"
    if not found:
        return f"pip install '{named}'"
    url = _shown(found["url"])
    if "vcs_info" in found:
        url = f"{found['vcs_info']['vcs']}+{url}@{found['vcs_info']['commit_id']}"
        return f"pip install '{_requirement(named, url)}'"
    if not url.startswith("file:"):
        return f"pip install '{named} @ {url}'"
    option = "-e " if found.get("dir_info", {}).get("editable") else ""
    return f"pip install {option}'{path_of(url)}{extra}'"


def renewal() -> str:
    """Return a sentence that explains how to upgrade this installation."""
    found = origin()
    if found is None:
        return f"Update {PACKAGE.parent}, from which it runs"
    if not found:
        return f"Run `pip install --upgrade {DISTRIBUTION}`"
    url = _shown(found["url"])
    if "vcs_info" in found:
        newest = _requirement(DISTRIBUTION, f"{found['vcs_info']['vcs']}+{url}")
        # pip considers two commits with the same version equal, and installs nothing.
        return f"Run `pip uninstall --yes {DISTRIBUTION}`, then `pip install '{newest}'`"
    if "dir_info" in found:
        return f"Update {path_of(url)}, then run `{install_command()}`"
    return f"It was installed from {url}: install a newer version of this file"


def _requirement(named: str, url: str) -> str:
    """Return a requirement by URL, because pip before 24.1 rejects `NAME @ git+file:` URLs."""
    return f"{url}#egg={named}" if "+file:" in url else f"{named} @ {url}"


def requirement() -> tuple[str, str]:
    """Return the line of requirements.txt that installs this package for others, and a note.

    The line is `pawprint-dvc==VERSION` for an index, the URL of a file, or `git+ORIGIN@COMMIT` for
    a repository that others can reach. It never contains a local path, a password or a token. If
    others cannot install the package, the line is a comment and the note contains the reason.
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
    try:
        return _shared(found), ""
    except InputError as error:
        line = f"# {DISTRIBUTION} {installed_version()}: add the line that installs it for others"
        return line, str(error)


def _shared(found: dict) -> str:
    """Return the line for an origin. Raises InputError if others cannot install from there."""
    url = found["url"]
    is_local = urlsplit(url).scheme == "file"
    if "vcs_info" in found:
        commit = found["vcs_info"]["commit_id"]
        if is_local:
            return _of_clone(Path(path_of(url)), commit)
        return f"{DISTRIBUTION} @ {found['vcs_info']['vcs']}+{_public(url)}@{commit}"
    if "dir_info" in found:
        is_editable = found["dir_info"].get("editable", False)
        return _of_clone(Path(path_of(url)), None, is_editable)
    if is_local:
        raise InputError(f"{NEEDED}: it was installed from {path_of(url)}, a file. {SHARED}.")
    sha256 = found.get("archive_info", {}).get("hashes", {}).get("sha256")
    return f"{DISTRIBUTION} @ {_public(url)}" + (f"#sha256={sha256}" if sha256 else "")


def _shown(url: str) -> str:
    """Return a URL without secrets. A local URL is unchanged, because its path may contain an @."""
    return url if url.startswith("file:") else _public(url)


def _public(url: str) -> str:
    """Return a URL without password, token and query, but with the user `git` of SSH."""
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        user = f"{parts.username}@" if parts.username and not parts.password else ""
        return f"ssh://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"
    return without_secrets(url)


def _of_clone(folder: Path, commit: str | None, is_editable: bool = False) -> str:
    """Return the line for a commit at the origin of a clone; the default is the current commit.

    Raises InputError if others cannot reach the origin, if the commit is not there, or if the clone
    differs from the installed package.
    """
    where = f"{NEEDED}: it was installed from {folder}"
    top = try_git("rev-parse", "--show-toplevel", folder=folder)
    if top is None or Path(top.strip()).resolve() != folder.resolve():
        raise InputError(f"{where}, which is not a clone with an origin. {SHARED}.")
    address = address_of((try_git("remote", "get-url", "origin", folder=folder) or "").strip())
    if address is None:
        raise InputError(f"{where}, a clone without an origin that others can reach. {SHARED}.")
    if commit is None:
        changed = git("status", "--porcelain", folder=folder).strip()
        if changed or not (is_editable or _is_installed(folder)):
            raise InputError(
                f"{where}, a clone whose commit differs from the installed package. Commit its "
                "changes, push and install it again, then run `pawprint upgrade`."
            )
        commit = git("rev-parse", "HEAD", folder=folder).strip()
    if not (try_git("branch", "--remotes", "--contains", commit, folder=folder) or "").strip():
        raise InputError(
            f"{where}, whose commit {commit[:10]} is not in its origin. Push it, then run "
            "`pawprint upgrade`."
        )
    return f"{DISTRIBUTION} @ git+{address}@{commit}"


def address_of(remote: str) -> str | None:
    """Return the URL of a Git remote without secrets, or None for a local remote."""
    scp = SCP.fullmatch(remote) if "://" not in remote else None
    url = f"ssh://{scp[1] or ''}{scp[2]}/{scp[3]}" if scp else remote
    parts = urlsplit(url)
    if parts.scheme not in REMOTE or (parts.hostname or "") in LOCAL_HOSTS:
        return None
    return _public(url)


def _is_installed(clone: Path) -> bool:
    """Return whether the modules in the clone equal those of the installed package."""
    modules = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    pairs = {
        name: clone / name if name.startswith("stages/") else clone / "pawprint" / name
        for name in modules
    }
    return all(
        path.is_file() and filecmp.cmp(PACKAGE / name, path, shallow=False)
        for name, path in pairs.items()
    )
