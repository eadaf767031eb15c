"""What DVC keeps: `dvc.lock`, the files in its cache that this names, and what a folder holds."""

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from pawprint.errors import InputError, printable
from pawprint.files import digest, read_yaml
from pawprint.project import CODE, LOCK


def is_md5(value: object) -> bool:
    """Whether this is a hash as DVC writes it: that of a folder ends in `.dir`.

    All other values, which a stranger may have written, count as none: they name no file.
    """
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", value))


class Recorded:
    """The last recorded result of each stage. Without dvc.lock there are none.

    Files in the cache are never written, and never fetched from a remote.
    """

    def __init__(self) -> None:
        # Imported only here, because training reads features without DVC.
        from dvc.config import Config
        from dvc.exceptions import DvcException

        self.stages: dict[str, dict] = {}
        dvc = Path(os.environ.get("DVC_ROOT", "."), ".dvc")
        try:
            self.cache = Path(Config(dvc)["cache"].get("dir", dvc / "cache"), "files", "md5")
            self.stages = dict(read_yaml(LOCK)["stages"])
        except (DvcException, InputError, LookupError, OSError, TypeError, ValueError):
            pass

    def hashes(self, stage: str, kind: str = "outs") -> dict[str, object]:
        """By path, what dvc.lock has as the MD5 of outputs, or of files of another kind: `deps`."""
        return _hashes_by("path", lambda: self.stages[stage][kind])

    def hash_of(self, stage: str, path: Path, kind: str = "outs") -> str | None:
        """The MD5 of an output, or of another kind of file. None if there is none."""
        md5 = self.hashes(stage, kind).get(path.as_posix())
        return md5 if is_md5(md5) else None

    def has_code(self, stage: str, fingerprint: str) -> bool:
        """Whether a stage last ran with the code of this fingerprint."""
        md5 = self.hash_of(stage, CODE / f"{stage}.txt", "deps")
        return md5 == hashlib.md5(fingerprint.encode(), usedforsecurity=False).hexdigest()

    def file(self, md5: object) -> Path:
        """The place in the cache of a file with this MD5, whether it is there or not.

        Raises ValueError for what is no MD5.
        """
        if not is_md5(md5):
            raise ValueError(f"expected an MD5. Received: {md5!r}")
        return self.cache / md5[:2] / md5[2:]

    def text(self, md5: str | None) -> str | None:
        """The content of a file in the cache. None if it is not there."""
        try:
            return self.file(md5).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def json(self, stage: str, out: Path) -> dict | list:
        """The content of a JSON file; of a folder DVC's list of its files. [] if there is none."""
        try:
            return json.loads(self.text(self.hash_of(stage, out)) or "[]")
        except (RecursionError, ValueError):
            return []

    def files(self, stage: str, out: Path) -> dict[str, object]:
        """By path in a folder, what DVC's list of its files has as their MD5."""
        return _hashes_by("relpath", lambda: self.json(stage, out))


def _hashes_by(path: str, list_files: Callable[[], list[dict]]) -> dict[str, object]:
    try:
        return {str(file[path]): file.get("md5") for file in list_files()}
    except (AttributeError, LookupError, TypeError):
        return {}


def tracked_files(folder: Path) -> dict[str, str] | None:
    """The MD5 of each file below a folder that DVC tracks, by its path there with slashes.

    None if DVC does not keep what is in the folder now: it is no output of DVC, such as of
    `dvc add`, or it has changed since DVC saw it. As DVC does, this hashes only files that DVC has
    not hashed before.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.hashfile.build import build

    with contextlib.suppress(DvcException), Repo() as repo:
        out = repo.find_outs_by_path(str(folder), strict=False)[0]
        root, ignore = Path(out.fs_path), out.dvcignore
        *_, tree = build(out.cache, str(root), out.fs, "md5", ignore=ignore, dry_run=True)
        if out.use_cache and tree.hash_info == out.hash_info:
            inner = folder.resolve().relative_to(root.resolve()).parts
            return {
                "/".join(key[len(inner) :]): md5.value
                for key, _, md5 in tree
                if key[: len(inner)] == inner
            }
    return None


def find_damaged(recorded: Recorded) -> tuple[int, list[str], list[str]]:
    """The number of copies of files that dvc.lock names, in the cache and in the workspace, a line
    for each damaged one, and the folders whose list of files is not in the cache.

    Damaged copies in the cache are removed. Raises InputError if dvc.lock has no results.
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
    """The number of copies of files, given with their MD5, and a line for each damaged one.

    Those in the cache are removed. The MD5 of a folder is that of the list of its files, which is
    in the cache only. A path outside of the project, or what is no MD5, is a line, and no file is
    read for it.
    """
    copies, damaged = {}, []
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
        for copy, (path, md5) in progress:
            try:
                if (actual := digest(copy, "md5")) == md5.removesuffix(".dir"):
                    continue
                expected = f"{copy}: expected the file {path} with the MD5 {md5}. "
                expected += f"Received: {actual}"
                if copy == path:
                    damaged.append(
                        f"{expected}. If you did not change it, remove it. Run `dvc repro`."
                    )
                elif not copy.resolve().is_relative_to(recorded.cache.resolve()):
                    damaged.append(f"{expected}. A link leads out of DVC's cache. Remove the link.")
                else:
                    if os.name == "nt":  # which removes no file that is read-only
                        copy.chmod(stat.S_IWRITE)
                    copy.unlink()
                    damaged.append(f"{expected}. It is removed from DVC's cache. Run `dvc repro`.")
            except FileNotFoundError:  # removed by a stage that started meanwhile
                continue
            except OSError as error:
                damaged.append(
                    f"{copy}: expected to read it, and to remove it from DVC's cache if it is "
                    f"damaged. Received: {error.strerror}. Check permissions."
                )
    return len(copies), damaged
