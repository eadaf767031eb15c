"""Decide when stored features are reused, and find them: results, killed runs, and `try`.

A row can be reused in any split if it has the same image and the same random parameters of the
view, if its numbers are stored with sufficient precision, if the checksums of its shard are
correct, and if its `origin_of` is the same: network, `model.resize` and code.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pawprint.base.columns import TRAIN
from pawprint.base.errors import InputError
from pawprint.base.files import md5, md5_of
from pawprint.network.rows import Row, fits
from pawprint.network.store import STORED_SPLITS, Kinds, Shard, shard_path

Key = tuple[bytes, bytes, bytes]  # key of a row: pixels_sha256, suffix, drawn


def origin_of(
    network: Path, resize: str, code: str, kernels: str = "portable"
) -> dict[str, object]:
    """Return everything that determines the bytes of a row besides the pixels and the view.

    `network` is the file of an extractor, and `code` is the fingerprint that is recorded in
    data/code/. `kernels` is `hardware.kernels`, and only training images have native rows.
    """
    origin: dict[str, object] = {
        "resize": resize,
        "network": [md5(network), md5(network.with_suffix(".bin"))],
        "code": md5_of(code.encode()),
    }
    return origin if kernels == "portable" else origin | {"kernels": kernels}


def earlier_shards(
    origin: dict[str, object], results: Iterable[tuple[Path, object, Mapping[str, Path]]]
) -> list[list[str]]:
    """Return shards that may contain rows with this origin.

    Each result has the folder for interrupted runs, with the shards of `try` and of killed runs,
    and the origin and the files, by path, of the recorded output of `features`. Its shards are
    included if they have this origin, which includes the kernels only for training images; the
    files may be missing.
    """
    kernels = {"kernels": origin.get("kernels")}
    found = []
    for interrupted, last, stored in results:
        for folder in sorted(place_of_rows(interrupted, origin).glob("*")):
            found += interrupted_shards(folder)
        if isinstance(last, dict) and (last | kernels).items() >= origin.items():
            of_train = last.get("kernels")
            for split in STORED_SPLITS:
                if (of_train if split == TRAIN else None) != origin.get("kernels"):
                    continue
                count = sum(path.startswith(f"{split}/") for path in stored)
                names = [shard_path(Path(split), n).as_posix() for n in range(count)]
                found.append([str(stored[name]) for name in names if name in stored])
    return found


def place_of_rows(folder: Path, origin: dict[str, object]) -> Path:
    """Return the folder, in one for interrupted runs, for rows with this origin."""
    name = hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    return folder.absolute() / name


def interrupted_shards(folder: Path) -> list[list[str]]:
    """Return shards that killed runs may have finished, from folders named after their number."""
    counts = [int(inner.name) for inner in folder.glob("[0-9]*")]
    return [[str(shard_path(folder / f"{n}", i)) for i in range(n)] for n in counts]


def keys_of(index: np.ndarray) -> list[Key]:
    """Return the key of each row. Together with the network, it determines the row."""
    hashes = index["pixels_sha256"].tolist()
    return list(zip(hashes, index["suffix"].tolist(), map(np.void.tobytes, index["drawn"])))


def read_whole(
    index: np.ndarray, sources: Iterable[str], kinds: Kinds, dtypes: Sequence[np.dtype]
) -> tuple[dict[str, np.ndarray], dict[str, bytes]] | None:
    """Return the columns and checksums of an intact shard with exactly these rows, if any."""
    types = list(zip(kinds, kinds.values(), dtypes))
    for source in sources:
        with contextlib.suppress(InputError):  # skip a missing or damaged shard
            shard = Shard(Path(source))
            places = [*shard.places.items()][1:]
            is_equal = types == [(kind, shape[1:], dtype) for kind, (_, shape, dtype, _) in places]
            if is_equal and shard.read("index").tobytes() == index.tobytes():
                return {name: shard.read(name) for name in shard.places}, shard.checksums
    return None


def take_over(
    row_keys: set[Key], sources: Iterable[str], kinds: Kinds, dtypes: Sequence[np.dtype]
) -> dict[Key, Row]:
    """Return the rows with these keys in intact shards, converted to these types."""
    row_of: dict[Key, Row] = {}
    for source in sources:
        if missing := row_keys - row_of.keys():
            with contextlib.suppress(InputError):  # skip a missing or damaged shard
                row_of |= _stored_rows(Path(source), missing, kinds, dtypes)
    return row_of


def _stored_rows(
    path: Path, row_keys: set[Key], kinds: Kinds, dtypes: Sequence[np.dtype]
) -> dict[Key, Row]:
    """Return the rows with these keys in a shard; none if their shapes or precision differ."""
    shard = Shard(path)
    keys = keys_of(shard.read("index"))
    if row_keys.isdisjoint(keys):
        return {}
    columns = [shard.read(kind) for kind in kinds]
    shapes = [column.shape[1:] for column in columns]
    pairs = list(zip(columns, dtypes))
    has_digits = all(column.dtype.itemsize >= dtype.itemsize for column, dtype in pairs)
    if shapes != list(kinds.values()) or not has_digits:
        return {}
    is_stored_so = all(column.dtype == dtype for column, dtype in pairs)
    row_of: dict[Key, Row] = {}
    for key, *row in zip(keys, *columns, strict=True):
        is_wanted = key in row_keys and key not in row_of
        if is_wanted and (is_stored_so or fits(row, dtypes)):
            row_of[key] = [array.astype(dtype, copy=False) for array, dtype in zip(row, dtypes)]
    return row_of
