"""Check that a project's results match its code and params, and that its files are intact."""

import os
import stat
from pathlib import Path

from pawprint.errors import InputError, name_some, printable
from pawprint.files import digest
from pawprint.package import require_current, script_of
from pawprint.paths import LOCK
from pawprint.pipeline.dvc import find_changed
from pawprint.pipeline.fingerprint import Code, split_fingerprint
from pawprint.pipeline.lock import not_as_pinned
from pawprint.pipeline.recorded import Recorded, is_md5
from pawprint.progress import track


def require_results(folder: Path) -> None:
    """Raise InputError if a project's results come from other code, params or packages."""
    code = Code(folder)
    locked = (code.as_locked(text) for text in require_reproduced(folder).values())
    pins = {pin for text in locked for pin in split_fingerprint(text)[1]}
    if versions := not_as_pinned(sorted(pins)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(versions)}. "
            "Run `pip install -r requirements.txt`."
        )


def require_reproduced(folder: Path, *stages: str) -> dict[str, str]:
    """Raise InputError if params, code or results of a project's stages differ from dvc.lock.

    The stages before the named ones are included; without names, all stages are checked. Returns
    the fingerprint of each of these stages except `code`. Also raises InputError if a named stage
    never ran, or, without names, if no stage did, and if an earlier version made the project.
    """
    require_current(folder)
    recorded = Recorded(folder=folder)
    if not (recorded.stages.keys() >= set(stages) and recorded.stages):
        raise InputError("workspace: there are no results yet. Run `dvc repro`.")
    changed = find_changed(folder, stages)
    # Even a changed comment affects the `code` stage, so only fingerprints are compared.
    changed.pop("code", None)
    code = Code(folder)
    # Photos tracked by DVC, and a user's own stages, have no fingerprint.
    scripts = {name: script_of(name, folder) for name in changed}
    fingerprints = {
        name: code.fingerprint(script)
        for name, script in scripts.items()
        if code.path_of(script).is_file()
    }
    of_code = {name for name, text in fingerprints.items() if not recorded.has_code(name, text)}
    names = set().union(*changed.values(), (f"code of {name}" for name in of_code))
    if names:
        raise InputError(
            "workspace: the results are out of date, because these changed since the last run: "
            f"{name_some(sorted(names))}. Run `dvc repro`."
        )
    return fingerprints


def find_damaged(recorded: Recorded) -> tuple[int, list[str], list[str]]:
    """Count the copies of the files in dvc.lock and return a line for each damaged copy.

    Also returns the folders with lists of files that are missing from the cache. Copies are in the
    cache and in the workspace. Damaged copies in the cache are removed. Raises InputError if
    dvc.lock contains no results.
    """
    outs = [
        (stage, Path(path), md5)
        for stage in recorded.stages
        for path, md5 in recorded.hashes(stage).items()
    ]
    if not outs:
        raise InputError(f"cannot check files: {LOCK} has no results. Run `dvc repro`.")
    copies, damaged = damaged_files(recorded, [(path, md5) for _, path, md5 in outs])
    # At this point, the remaining lists of files in folders are undamaged.
    folders = [out for out in outs if is_md5(out[2]) and out[2].endswith(".dir")]
    members = [
        (path / name, md5)
        for stage, path, _ in folders
        for name, md5 in recorded.files(stage, path).items()
    ]
    unlisted = [path.as_posix() for _, path, md5 in folders if not recorded.file(md5).is_file()]
    of_folders, more = damaged_files(recorded, members)
    return copies + of_folders, damaged + more, unlisted


def damaged_files(recorded: Recorded, files: list[tuple[Path, object]]) -> tuple[int, list[str]]:
    """Count the copies of files with these MD5s and return a line for each damaged copy.

    Damaged copies in the cache are removed. A folder's MD5 is the MD5 of its list of files, which
    is only in the cache. A path outside the project or an invalid MD5 also results in a line, and
    no file is read for it.
    """
    copies: dict[Path, tuple[Path, str]] = {}
    damaged = []
    for path, md5 in files:
        if is_md5(md5) and not path.anchor and ".." not in path.parts:
            file = recorded.folder / path
            copies[file] = copies[recorded.file(md5)] = file, md5
        else:
            damaged.append(
                f"{LOCK}: expected paths in the project, and MD5s with 32 hexadecimal digits. "
                f"Received: {printable(str(path))} with {md5!r}. Restore {LOCK}, or run "
                "`dvc repro --force`."
            )
    copies = {copy: original for copy, original in copies.items() if copy.is_file()}
    with track(copies.items(), "check", unit="file") as progress:
        found = [damage_of(copy, path, md5, recorded.cache) for copy, (path, md5) in progress]
    return len(copies), [*damaged, *filter(None, found)]


def damage_of(copy: Path, path: Path, md5: str, cache: Path) -> str | None:
    """Return how a copy of the file `path` differs from its MD5, or None if the copy is intact.

    A damaged copy in the cache is removed. A copy that a stage removes in the meantime does not
    count as damaged.
    """
    try:
        actual = digest(copy, "md5")
        if actual == md5.removesuffix(".dir"):
            return None
        differs = f"{copy}: expected the file {path} with the MD5 {md5}. Received: {actual}"
        if copy == path:
            return f"{differs}. If you did not change it, remove it. Run `dvc repro`."
        if not copy.resolve().is_relative_to(cache.resolve()):
            return (
                f"{differs}. It is reached through a link that leads out of DVC's cache. Remove "
                "the link."
            )
        if os.name == "nt":  # Windows does not remove read-only files
            copy.chmod(stat.S_IWRITE)
        copy.unlink()
        return f"{differs}. It has been removed from DVC's cache. Run `dvc repro`."
    except FileNotFoundError:
        return None
    except OSError as error:
        return (
            f"cannot check {copy} and remove it from DVC's cache if damaged: {error.strerror}. "
            "Check its permissions."
        )
