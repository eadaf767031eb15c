"""What DVC recorded last: `dvc.lock`, and the files in DVC's cache that it names."""

import hashlib
import json
import os
from pathlib import Path

from pawprint.core.entry import CODE
from pawprint.core.errors import InputError
from pawprint.core.yaml import read_yaml

LOCK = Path("dvc.lock")


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
            self._cache = Path(Config(dvc)["cache"].get("dir", dvc / "cache"), "files", "md5")
            self.stages = dict(read_yaml(LOCK)["stages"])
        except (DvcException, InputError, LookupError, OSError, TypeError, ValueError):
            pass

    def hash_of(self, stage: str, path: Path, kind: str = "outs") -> str | None:
        """The MD5 of an output, or of another kind of file: `deps`. None if there is none."""
        try:
            listed = {each["path"]: each["md5"] for each in self.stages[stage][kind]}
            return listed[path.as_posix()]
        except (LookupError, TypeError):
            return None

    def has_code(self, stage: str, fingerprint: str) -> bool:
        """Whether a stage last ran with the code of this fingerprint."""
        known = self.hash_of(stage, CODE / f"{stage}.txt", "deps")
        return known == hashlib.md5(fingerprint.encode(), usedforsecurity=False).hexdigest()

    def file(self, md5: str) -> Path:
        """The place in the cache of a file with this MD5, whether it is there or not."""
        return self._cache / md5[:2] / md5[2:]

    def text(self, md5: str | None) -> str | None:
        """The content of a file in the cache. None if it is not there."""
        try:
            return self.file(md5).read_text(encoding="utf-8") if md5 else None
        except (OSError, UnicodeDecodeError):
            return None

    def json(self, stage: str, out: Path) -> dict | list:
        """The content of a JSON file; of a folder DVC's list of its files. [] if there is none."""
        try:
            return json.loads(self.text(self.hash_of(stage, out)) or "[]")
        except ValueError:
            return []
