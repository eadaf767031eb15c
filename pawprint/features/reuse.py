"""Rows that were computed before: by an interrupted run, or for the last recorded result.

A row is taken if it belongs to the same image and the same transformation, and its checksum is
right. Whether the same network computed it, the caller decides.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pawprint.core.recorded import Recorded
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


def recorded_rows(
    recorded: Recorded, stage: str, out: Path, shard: int, shards: int, kinds: Kinds
) -> Iterator[Source]:
    """The recorded shards of an output folder that may hold rows of a shard.

    There may be more or fewer of them than now. What is not in the cache, or is damaged, is left
    out.
    """
    files = {file["relpath"]: file["md5"] for file in recorded.json(stage, out)}
    stored = sum(name.startswith("index-") for name in files)
    for number in range(shard * stored // shards, -(-(shard + 1) * stored // shards)):
        try:
            index, *arrays = (
                np.asarray(np.load(recorded.file(files[f"{name}-{number}.npy"]), mmap_mode="r"))
                for name in ("index", *kinds)
            )
        except Exception:  # NumPy raises anything for a damaged file
            continue
        expected = [(len(index), *shape) for shape in kinds.values()]
        if index.dtype == INDEX and [array.shape for array in arrays] == expected:
            yield index, arrays
