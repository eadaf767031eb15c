"""Rows that were computed before: by an interrupted run, or for the last recorded result.

A row is taken if it belongs to the same image and the same transformation, and its checksum is
right. Whether the same network computed it, the caller decides.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError
from pawprint.core.yaml import read_yaml
from pawprint.features.store import INDEX, Key, Kinds, Row, checksum, key_of

Source = tuple[np.ndarray, list[np.ndarray]]  # an index, and the features of each kind


def find_rows(wanted: set[Key], sources: Iterable[Source]) -> dict[Key, Row]:
    """Those of the rows that a source holds undamaged; they stay on disk until they are used."""
    found: dict[Key, Row] = {}
    for index, kinds in sources:
        for position, entry in enumerate(index):
            key = key_of(entry)
            if key in wanted and key not in found:
                row = [features[position] for features in kinds]
                if checksum(key, row) == entry["checksum"]:
                    found[key] = row
    return found


class Journal:
    """The rows of a shard that a run has computed so far, in one file.

    Rows are appended as they are computed, so that a killed run loses only those on their way.
    """

    def __init__(self, path: Path, kinds: Kinds) -> None:
        self.path = path
        arrays = [(kind, "<f2", shape) for kind, shape in kinds.items()]
        self.dtype = np.dtype([("index", INDEX), *arrays])

    def read(self) -> Iterator[Source]:
        """The complete rows; a killed run may have left the last one incomplete."""
        rows = self.path.stat().st_size // self.dtype.itemsize if self.path.exists() else 0
        if rows:
            stored = np.asarray(np.memmap(self.path, self.dtype, "r", shape=rows))
            yield stored["index"], [stored[kind] for kind in self.dtype.names[1:]]

    def append(self, computed: Iterable[dict[Key, Row]]) -> None:
        """Write the rows of one image after another."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.truncate(file.tell() // self.dtype.itemsize * self.dtype.itemsize)
            for rows in computed:
                for key, row in rows.items():
                    entry = (key[0], 0, np.frombuffer(key[1]).reshape(2, 3), checksum(key, row))
                    file.write(np.array((entry, *row), self.dtype).tobytes())
                file.flush()


class LastResult:
    """What a stage wrote when DVC last recorded it: files in DVC's cache, by dvc.lock.

    They are never written, and never fetched from a remote: what is not in the cache, or is
    damaged, is left out.
    """

    def __init__(self, stage: str) -> None:
        # Imported only here, because training reads features without DVC.
        from dvc.config import Config
        from dvc.exceptions import DvcException

        self.hashes: dict[str, str] = {}
        dvc = Path(os.environ.get("DVC_ROOT", "."), ".dvc")
        try:
            self.cache = Path(Config(dvc)["cache"].get("dir", dvc / "cache"), "files", "md5")
            outs = read_yaml(Path("dvc.lock"))["stages"][stage]["outs"]
            self.hashes = {out["path"]: out["md5"] for out in outs}
        except (DvcException, InputError, LookupError, OSError, TypeError):
            pass

    def read(self, out: Path) -> dict | list:
        """The content of a JSON file; of a folder DVC's list of its files. [] if there is none."""
        try:
            return json.loads(self._cached(self.hashes[out.as_posix()]).read_bytes())
        except (LookupError, OSError, TypeError, ValueError):
            return []

    def sources(self, out: Path, shard: int, shards: int, kinds: Kinds) -> Iterator[Source]:
        """The recorded shards that may hold rows of a shard. There may be more or fewer of them."""
        files = {file["relpath"]: file["md5"] for file in self.read(out)}
        stored = sum(name.startswith("index-") for name in files)
        for number in range(shard * stored // shards, -(-(shard + 1) * stored // shards)):
            try:
                index, *arrays = (
                    np.asarray(np.load(self._cached(files[f"{name}-{number}.npy"]), mmap_mode="r"))
                    for name in ("index", *kinds)
                )
            except Exception:  # NumPy raises anything for a damaged file
                continue
            expected = [(len(index), *shape) for shape in kinds.values()]
            if index.dtype == INDEX and [array.shape for array in arrays] == expected:
                yield index, arrays

    def _cached(self, md5: str) -> Path:
        return self.cache / md5[:2] / md5[2:]
