"""Read results that DVC stores: `dvc.lock`, files in the cache, and the lists of folders."""

import contextlib
import functools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from pawprint.base import paths
from pawprint.base.columns import Columns
from pawprint.base.errors import InputError
from pawprint.base.files import md5_of, read_text
from pawprint.base.git import try_git
from pawprint.base.yaml_file import parse_yaml, read_yaml, value_at

if TYPE_CHECKING:
    import pandas as pd

Parsed = TypeVar("Parsed")


def is_md5(value: object) -> TypeGuard[str]:
    """Return whether this is a hash in DVC's format; for a folder, it ends in `.dir`.

    This rejects other values, which could come from a stranger and refer to an unexpected file.
    """
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", value))


class Recorded:
    """The recorded result of each stage, in a project's `dvc.lock` or a similar text.

    Files in the cache are never written, and never fetched from a remote.
    """

    def __init__(self, lock: str | None = None, folder: Path = Path()) -> None:
        self.folder = folder
        self.stages: dict[str, dict] = {}
        with contextlib.suppress(InputError):
            text = read_text(folder / paths.LOCK) if lock is None else lock
            stages = value_at(parse_yaml(text, str(paths.LOCK)), "stages")
            self.stages = stages if isinstance(stages, dict) else {}

    @property
    def _dvc_folder(self) -> Path:
        return Path(os.environ.get("DVC_ROOT", self.folder), ".dvc")

    @functools.cached_property
    def cache(self) -> Path:
        """Return the cache folder, or DVC's default if DVC cannot read its settings."""
        # DVC is only imported if needed, because this takes a long time.
        from pawprint.pipeline.dvc import folder_of_cache

        return folder_of_cache(self._dvc_folder)

    def hashes(self, stage: str, kind: str = "outs") -> dict[str, object]:
        """Return the MD5 of each output in dvc.lock, or of other files such as `deps`, by path."""
        return _hashes_by("path", value_at(self.stages, stage, kind))

    def hash_of(self, stage: str, path: Path, kind: str = "outs") -> str | None:
        """Return the MD5 of an output or another kind of file, or None if it is missing.

        A file in an output's folder is on the folder's list in the cache, and otherwise among the
        dependencies of a later stage, if there is one.
        """
        hashes = self.hashes(stage, kind)
        name = path.as_posix()
        md5 = hashes.get(name)
        if folder := hashes.get(path.parent.as_posix()):
            read = [self.hashes(each, "deps").get(name) for each in self.stages]
            md5 = next(filter(None, [self.files(folder).get(path.name), *read]), None)
        return md5 if is_md5(md5) else None

    def params(self, stage: str) -> dict[str, object]:
        """Return the params of a stage by the keys in dvc.yaml, or {} if it has none."""
        params = value_at(self.stages, stage, "params", str(paths.PARAMS))
        return params if isinstance(params, dict) else {}

    def all_params(self) -> dict[str, Any]:
        """Return the params of all stages by section and key, or {} if there are none."""
        found: dict[str, Any] = {}
        for stage in self.stages:
            for name, value in self.params(stage).items():
                section, _, key = name.partition(".")
                values = {key: value} if key else value
                found.setdefault(section, {}).update(values if isinstance(values, dict) else {})
        return found

    def has_code(self, stage: str, fingerprint: str) -> bool:
        """Return whether the last run of a stage used the code with this fingerprint."""
        md5 = self.hash_of(stage, paths.CODE / f"{stage}.txt", "deps")
        return md5 == md5_of(fingerprint.encode())

    def outs(self) -> dict[str, object]:
        """Return the MD5 of each output of all stages, by path."""
        return {path: md5 for stage in self.stages for path, md5 in self.hashes(stage).items()}

    def out(self, path: Path) -> object:
        """Return the MD5 of an output of any stage, or of a file inside one, or None."""
        outs = self.outs()
        in_folder = self.files(outs.get(path.parent.as_posix()))
        return outs.get(path.as_posix(), in_folder.get(path.name))

    def stage_left_behind(self) -> str | None:
        """Return the first stage that used other bytes than an earlier stage now gives, or None."""
        outs = self.outs()
        for folder, md5 in [*outs.items()]:
            outs |= {f"{folder}/{name}": each for name, each in self.files(md5).items()}
        for stage in self.stages:
            deps = self.hashes(stage, "deps")
            if any(outs.get(path, md5) != md5 for path, md5 in deps.items()):
                return stage
        return None

    def file(self, md5: object) -> Path:
        """Return the path in the cache of a file with this MD5. The file may be missing.

        Raises ValueError if the value is not an MD5.
        """
        if not is_md5(md5):
            raise ValueError(f"expected an MD5. Received: {md5!r}")
        # Try DVC's default location first, because reading its settings takes 0.1 s.
        path = self._dvc_folder / "cache/files/md5" / md5[:2] / md5[2:]
        return path if path.is_file() else self.cache / md5[:2] / md5[2:]

    def parsed(self, md5: object, parse: Callable[[bytes], Parsed]) -> Parsed | None:
        """Parse a file in the cache. Returns None if it is missing or damaged."""
        content = self.content(md5)
        with contextlib.suppress(RecursionError, ValueError):
            return None if content is None else parse(content)
        return None

    def text(self, md5: object) -> str | None:
        """Return the text of a file in the cache, or None if it is missing."""
        return self.parsed(md5, bytes.decode)

    def table(self, stage: str, out: Path, columns: Columns) -> "pd.DataFrame | None":
        """Return a table, or None if it is missing or damaged or has other columns."""
        # pandas is imported here, because `code` does not need it.
        from pawprint.base.tables import parse_table

        return self.parsed(
            self.hash_of(stage, out), functools.partial(parse_table, columns=columns)
        )

    def content(self, md5: object) -> bytes | None:
        """Return the bytes of a file in the cache, or None if it is missing or damaged."""
        if not is_md5(md5):
            return None
        with contextlib.suppress(OSError):
            content = self.file(md5).read_bytes()
            return content if md5_of(content) == md5.removesuffix(".dir") else None
        return None

    def json(self, md5: object) -> dict | list:
        """Return the content of a JSON file, or DVC's list for a folder, or [] if it is missing."""
        return self.parsed(md5, json.loads) or []

    def files(self, md5: object) -> dict[str, object]:
        """Return the MD5 of each file in a folder, keyed by path, given the MD5 of the folder."""
        is_folder = is_md5(md5) and md5.endswith(".dir")
        return _hashes_by("relpath", self.json(md5)) if is_folder else {}


def original_of(folder: Path) -> Path:
    """Return the project that DVC has copied to a folder for an experiment, or else the folder."""
    return Path(folder.absolute().as_posix().partition(paths.COPIES)[0])


def stored_features(folder: Path = Path()) -> list[tuple[Path, dict | list, dict[str, Path]]]:
    """Return where rows of features may be stored: by a project and, in a copy, by its original.

    Each place has the folder for interrupted runs, the origin of the recorded features, and where
    the cache has their files, by path. The origin is empty without a recorded result, and the files
    may be missing.
    """
    places = []
    for project in dict.fromkeys((folder.absolute(), original_of(folder))):
        recorded = Recorded(folder=project)
        origin = recorded.json(recorded.hash_of("features", paths.FEATURES_ORIGIN))
        files = recorded.files(recorded.hash_of("features", paths.FEATURES))
        stored = {name: recorded.file(md5).absolute() for name, md5 in files.items() if is_md5(md5)}
        places.append((project / paths.INTERRUPTED_FEATURES, origin, stored))
    return places


class LastCommit(Recorded):
    """The results recorded in the dvc.lock of the last commit, if there is such a commit."""

    def __init__(self) -> None:
        super().__init__(_committed(paths.LOCK) or "")

    def read(self, path: Path, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Parse a file of the commit, from Git or from the cache.

        Raises InputError if it is in neither, or if `parse` raises ValueError with "expected …".
        """
        text = _committed(path)
        if text is None:
            content = self.content(self.out(path))
        else:
            content = text.encode(errors="surrogateescape")
        if content is None:
            raise InputError(
                f"cannot read {path} of the last commit: it is in neither Git nor DVC's cache."
            )
        try:
            return parse(content)
        except ValueError as error:
            raise InputError(f"{path} of the last commit: {error}") from None


def _committed(path: Path) -> str | None:
    """Return the text of a file in the last commit, or None if the file or commit is missing."""
    with contextlib.suppress(InputError):  # the repository belongs to another user
        return try_git("show", f"HEAD:./{path.as_posix()}")
    return None


def md5_in(dvc_file: str) -> str | None:
    """Return the MD5 in the text of a file such as photos.dvc, or None if there is none."""
    with contextlib.suppress(InputError):
        md5 = value_at(parse_yaml(dvc_file, ".dvc"), "outs", 0, "md5")
        return md5 if is_md5(md5) else None
    return None


def find_import(path: Path) -> tuple[Path, str] | None:
    """Return the `dvc import` that contains a file or folder, and its repository, or None."""
    for parent in (path, *path.parents):
        if (dvc_file := Path(f"{parent}.dvc")).is_file():
            with contextlib.suppress(InputError):
                if url := value_at(read_yaml(dvc_file), "deps", 0, "repo", "url"):
                    return parent, str(url)
    return None


def _hashes_by(path: str, files: Any) -> dict[str, object]:
    """Return the MD5 of each file in DVC's list, keyed by `path`, or {} for any other content."""
    try:
        return {str(file[path]): file.get("md5") for file in files}
    except (AttributeError, LookupError, TypeError):
        return {}
