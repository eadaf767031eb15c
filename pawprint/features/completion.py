"""Complete the stored features: rows that were computed before, and those that are missing."""

import functools
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import openvino
import pandas as pd
from tqdm import tqdm

from pawprint.core.errors import InputError
from pawprint.core.params.augment import Augment
from pawprint.engine.mapping import map_items
from pawprint.features.reuse import Journal, Source, find_rows
from pawprint.features.rows import row_function
from pawprint.features.store import INDEX, Key, Row
from pawprint.images.archive import Archive
from pawprint.images.augmentation import draw_transformation
from pawprint.images.decoder import open_image
from pawprint.images.warp import IDENTITY


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


def computer(
    archive: Archive, member: dict[str, str], network: openvino.Model, how: str
) -> Callable[[dict[str, list[Key]]], Iterator[dict[Key, Row]]]:
    """What `complete` computes missing rows with; `member` has the path of each pixels_sha256."""
    rows_of = functools.cache(lambda: row_function(network, how))  # compiled only if needed

    def compute(missing: dict[str, list[Key]]) -> Iterator[dict[Key, Row]]:
        function = rows_of()

        def compute_one(item: tuple[str, list[Key]]) -> dict[Key, Row]:
            path, keys = item
            views = [np.frombuffer(transformation).reshape(2, 3) for _, transformation in keys]
            try:
                return dict(zip(keys, function(open_image(archive, path), views)))
            except OverflowError:
                raise InputError(
                    "params.yaml: model.fine_tune_at: expected a layer before which the backbone "
                    f"gives numbers up to {np.finfo(np.float16).max:,.0f}, which features are "
                    f"stored with. Received: larger ones for {path}. Name another layer, or check "
                    "weights.source."
                ) from None

        items = [(member[sha256], keys) for sha256, keys in missing.items()]
        rows = map_items(compute_one, items)
        return iter(tqdm(rows, "features", len(items), unit="image", disable=None))

    return compute


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
