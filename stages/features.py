"""Compute the features of every training and validation image once, with the frozen layers.

Features that an interrupted run computed, or that are in the last recorded result, are not
computed again. Reads data/raw/archives/, data/split/images.csv and models/extractor/. Params:
`model.resize`, `augment`. Writes data/features/ and data/features.json, which names what decides
the bytes of a row. Run: `python -m stages.features`
"""

import functools
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import replacing, write_json
from pawprint.core.params import Augment, load_params
from pawprint.core.tables import SPLIT, read_table
from pawprint.engine.mapping import map_items
from pawprint.features.reuse import Journal, LastResult, Source, find_rows
from pawprint.features.rows import describe, row_function
from pawprint.features.store import (
    INDEX,
    Key,
    Row,
    checksum,
    count_shards,
    key_of,
    shard_of,
    write_shard,
)
from pawprint.images.archive import open_archive
from pawprint.images.augmentation import IDENTITY, draw_transformation
from pawprint.images.decoder import open_image
from pawprint.runtime.conversion import read_network


def index_of(images: pd.DataFrame, augment: Augment, size: int) -> np.ndarray:
    """The rows of images (table SPLIT), sorted, without checksums.

    A training image has `augment.views` views; a validation image has one, the image itself.
    """
    rows = []
    for sha256, split in sorted(zip(images["pixels_sha256"], images["split"])):
        views = [IDENTITY]
        if split == "train":
            views = [draw_transformation(augment, sha256, v, size) for v in range(augment.views)]
        rows += [(sha256.encode(), view, drawn, b"") for view, drawn in enumerate(views)]
    return np.array(rows, INDEX)


def complete(
    wanted: list[Key],
    journal: Journal,
    recorded: Iterable[Source],
    compute: Callable[[dict[str, list[Key]]], Iterator[dict[Key, Row]]],
) -> tuple[dict[Key, Row], int]:
    """The wanted rows, and the number of images of which some had to be computed.

    `compute` gets the missing keys by image, and yields the rows of one image after another.
    """
    found = find_rows(set(wanted), [*journal.read(), *recorded])
    missing: dict[str, list[Key]] = {}
    for key in dict.fromkeys(wanted):
        if key not in found:
            missing.setdefault(key[0].decode(), []).append(key)
    if missing:
        journal.append(compute(missing))
        found |= find_rows(set(wanted) - set(found), journal.read())
    return found, len(missing)


def require_space(target: Path, numbers: int) -> None:
    """Print the size of so many float16 numbers. Raises InputError if the disk lacks the space.

    What is computed is kept for an interrupted run, and DVC may keep a copy in its cache.
    """
    needed = 2 * numbers / 1e6
    free = shutil.disk_usage(target.parent).free / 1e6
    print(f"features: {needed:,.0f} MB to write, and as much in DVC's cache", flush=True)
    if free < 3 * needed:
        raise InputError(
            f"{target}: expected {3 * needed:,.0f} MB of free space, for the features, those of "
            f"an interrupted run, and the copy in DVC's cache. Received: {free:,.0f} MB. Free "
            "some, or lower augment.views."
        )


def main() -> None:
    params = load_params()
    how, augment = params.model.resize, params.augment
    network = read_network(paths.EXTRACTOR)
    size = network.input().partial_shape[1].get_length()
    kinds = {
        output.get_any_name(): tuple(
            length.get_length() for length in list(output.partial_shape)[1:]
        )
        for output in network.outputs
    }
    extract = functools.cache(lambda: row_function(network, how))  # compiled only if needed
    origin = describe(paths.EXTRACTOR, how)
    journals = paths.INTERRUPTED_FEATURES / hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    last = LastResult("features")
    is_usable = last.read(paths.FEATURES_ORIGIN) == origin
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    images = split[split["split"] != "test"]
    member = dict(zip(images["pixels_sha256"], images["path"]))
    shards = count_shards(len(images))
    shard = shard_of(images["pixels_sha256"], shards)
    rows = len(images) + (augment.views - 1) * int((images["split"] == "train").sum())
    computed = 0
    with open_archive(paths.RAW_ARCHIVES) as archive, replacing(paths.FEATURES) as folder:
        folder.mkdir()
        require_space(paths.FEATURES, rows * sum(map(math.prod, kinds.values())))

        def compute(missing: dict[str, list[Key]]) -> Iterator[dict[Key, Row]]:
            rows_of = extract()

            def compute_one(item: tuple[str, list[Key]]) -> dict[Key, Row]:
                path, keys = item
                views = [np.frombuffer(transformation).reshape(2, 3) for _, transformation in keys]
                return dict(zip(keys, rows_of(open_image(archive, path), views)))

            items = [(member[sha256], keys) for sha256, keys in missing.items()]
            rows = map_items(compute_one, items)
            title = f"features, part {number + 1} of {shards}"
            return iter(tqdm(rows, title, len(missing), unit="image", disable=None))

        for number in range(shards):
            index = index_of(images[shard == number], augment, size)
            wanted = [key_of(entry) for entry in index]
            journal = Journal(journals / f"{number}-of-{shards}", kinds)
            recorded = last.sources(paths.FEATURES, number, shards, kinds) if is_usable else ()
            found, more = complete(wanted, journal, recorded, compute)
            index["checksum"] = [checksum(key, found[key]) for key in wanted]
            write_shard(folder, number, index, [found[key] for key in wanted], kinds)
            computed += more
    write_json(paths.FEATURES_ORIGIN, origin)
    shutil.rmtree(paths.INTERRUPTED_FEATURES, ignore_errors=True)
    print(f"features: {computed:,} images computed, {len(images) - computed:,} reused")


if __name__ == "__main__":
    main()
