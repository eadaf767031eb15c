"""The command `check`."""

import argparse
import os
import stat
from pathlib import Path

from tqdm import tqdm

from pawprint.errors import InputError, name_some, printable
from pawprint.files import digest
from pawprint.package import script_of
from pawprint.pipeline.dvc import find_changed
from pawprint.pipeline.fingerprint import Code, split_fingerprint
from pawprint.pipeline.lock import not_as_pinned
from pawprint.pipeline.recorded import Recorded, is_md5
from pawprint.project import LOCK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    files = "hashes of all files instead; damaged ones are removed from DVC's cache"
    parser.add_argument("--files", action="store_true", help=files)


def run(arguments: argparse.Namespace) -> None:
    """Fail if other code, other params or other packages made the results.

    Compares params, code and files with dvc.lock, without data. The exit status is 1 if one
    differs, or if an installed package is not the version that requirements.txt pins.

    DVC does not hash a read-only file of its cache, so it restores a damaged one. With --files, all
    files that dvc.lock names are hashed, in the cache and in the workspace. Damaged files are
    removed from the cache, and nothing else: `dvc repro` makes them again, `dvc repro --pull`
    fetches them. A file of the workspace that differs is named. One that is missing is not damaged.
    The exit status is 1 if any file is damaged.

    Examples:
      pawprint check
      pawprint check --files
    """
    if arguments.files:
        check_files(Recorded())
        return
    code = Code()
    locked = (code.as_locked(text) for text in require_reproduced().values())
    pins = {pin for text in locked for pin in split_fingerprint(text)[1]}
    if versions := not_as_pinned(sorted(pins)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(versions)}. "
            "Run `pip install -r requirements.txt`."
        )
    print("check: the results are those of this code, these params and these packages")


def require_reproduced(*stages: str) -> dict[str, str]:
    """Raise InputError if params, code or results of these stages differ from dvc.lock.

    Those of the stages before them count, too; without names, all stages do. Returns the
    fingerprint of each that counts, without `code`.
    """
    changed = find_changed(stages)
    # The stage `code` differs after a changed comment; what counts are the fingerprints.
    changed.pop("code", None)
    code = Code()
    # Photos that DVC tracks, and a user's own stages, have no code of ours.
    scripts = {name: script_of(name) for name in changed}
    fingerprints = {
        name: code.fingerprint(script)
        for name, script in scripts.items()
        if code.path_of(script).is_file()
    }
    recorded = Recorded()
    of_code = {name for name, text in fingerprints.items() if not recorded.has_code(name, text)}
    names = set().union(*changed.values(), (f"code of {name}" for name in of_code))
    if names:
        raise InputError(
            "workspace: expected the results of its params and code. Received: changes since the "
            f"last run: {name_some(sorted(names))}. Run `dvc repro`."
        )
    return fingerprints


def check_files(recorded: Recorded) -> None:
    """Raise InputError with a line for each damaged file, and print how many were hashed."""
    copies, damaged, unlisted = find_damaged(recorded)
    if damaged:
        raise InputError("\n".join(damaged))
    print(f"check: {copies:,} copies of files have the hash of dvc.lock")
    if unlisted:
        print(f"check: not in DVC's cache, so not checked: {', '.join(unlisted)}")


def find_damaged(recorded: Recorded) -> tuple[int, list[str], list[str]]:
    """Return how many copies of the files of dvc.lock there are, and a line for each damaged one.

    Also returns the folders whose list of files is not in the cache. Copies are in the cache and in
    the workspace; damaged ones in the cache are removed. Raises InputError if dvc.lock has no
    results.
    """
    outs = [
        (stage, Path(path), md5)
        for stage in recorded.stages
        for path, md5 in recorded.hashes(stage).items()
    ]
    if not outs:
        raise InputError(f"{LOCK}: expected the results of a run. Received: none. Run `dvc repro`.")
    copies, damaged = damaged_files(recorded, [(path, md5) for _, path, md5 in outs])
    # The lists of files of folders: those that are left are undamaged.
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
    """Return how many copies of files, given with their MD5, there are, and the damaged ones.

    Each of these is a line, and those in the cache are removed. The MD5 of a folder is the one of
    the list of its files, which is in the cache only. A path outside of the project, or what is no
    MD5, is a line, and no file is read for it.
    """
    copies: dict[Path, tuple[Path, str]] = {}
    damaged = []
    for path, md5 in files:
        if is_md5(md5) and not path.anchor and ".." not in path.parts:
            copies[path] = copies[recorded.file(md5)] = path, md5
        else:
            damaged.append(
                f"{LOCK}: expected paths in the project, and MD5s of 32 hexadecimal digits. "
                f"Received: {printable(str(path))} with {md5!r}. Restore {LOCK}, or run "
                "`dvc repro --force`."
            )
    copies = {copy: original for copy, original in copies.items() if copy.is_file()}
    with tqdm(copies.items(), desc="check", unit="file", disable=None) as progress:
        found = [damage_of(copy, path, md5, recorded.cache) for copy, (path, md5) in progress]
    return len(copies), [*damaged, *filter(None, found)]


def damage_of(copy: Path, path: Path, md5: str, cache: Path) -> str | None:
    """Return how a copy of the file `path` differs from its MD5, or None if it does not.

    A damaged copy in the cache is removed. One that a stage removes meanwhile is not damaged.
    """
    try:
        actual = digest(copy, "md5")
        if actual == md5.removesuffix(".dir"):
            return None
        differs = f"{copy}: expected the file {path} with the MD5 {md5}. Received: {actual}"
        if copy == path:
            return f"{differs}. If you did not change it, remove it. Run `dvc repro`."
        if not copy.resolve().is_relative_to(cache.resolve()):
            return f"{differs}. A link leads out of DVC's cache. Remove the link."
        if os.name == "nt":  # which removes no file that is read-only
            copy.chmod(stat.S_IWRITE)
        copy.unlink()
        return f"{differs}. It is removed from DVC's cache. Run `dvc repro`."
    except FileNotFoundError:
        return None
    except OSError as error:
        return (
            f"{copy}: expected to read it, and to remove it from DVC's cache if it is damaged. "
            f"Received: {error.strerror}. Check permissions."
        )
