"""Compute the features of every training and validation image once, with the frozen backbone.

Reads data/raw/archives/, data/split/images.csv and data/raw/weights.h5. Params: `model`,
`augment`. Writes data/features/. Run: `python -m stages.features`
"""

import contextlib
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import replacing, write_json
from pawprint.core.params import Augment, Resize, load_params
from pawprint.core.tables import SPLIT, read_table
from pawprint.images.archive import open_archive
from pawprint.images.augmentation import IDENTITY, draw_transformation, warp
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.network.backbone import load_backbone
from pawprint.network.backend import make_deterministic
from pawprint.network.cut import cut_index, first_trained
from pawprint.network.extractor import OUTPUTS, build_extractor
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import convert


def compute_features(
    run: Callable[[np.ndarray], list[np.ndarray]],
    archive: zipfile.ZipFile,
    images: pd.DataFrame,
    size: int,
    how: Resize,
    augment: Augment | None,
) -> Iterator[list[np.ndarray]]:
    """For each image (table SPLIT) the outputs of `run` for its views, float16 `(views, …)`.

    Without `augment` an image has one view, the image itself.
    """

    def compute(image: tuple[str, str]) -> list[np.ndarray]:
        path, pixels_sha256 = image
        pixels = resize(open_image(archive, path), size, how)
        transformations = [IDENTITY]
        if augment:
            transformations = [
                draw_transformation(augment, pixels_sha256, view, size)
                for view in range(augment.views)
            ]
        views = [run(warp(pixels, each)) for each in transformations]
        return [np.stack(outputs).astype(np.float16) for outputs in zip(*views)]

    computed = map_in_threads(compute, zip(images["path"], images["pixels_sha256"]))
    title = f"features, {augment.views if augment else 1} per image"
    return iter(tqdm(computed, total=len(images), desc=title, unit="image", disable=None))


def write_arrays(shapes: dict[Path, tuple[int, ...]], rows: Iterator[list[np.ndarray]]) -> None:
    """Write .npy files of float16 row by row; each of `rows` holds one array for each file.

    A memory map would end the process when the disk is full; writing raises OSError.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in shapes]
        for file, shape in zip(files, shapes.values()):
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        for arrays in rows:
            for file, array in zip(files, arrays):
                file.write(array.tobytes())


def require_space(target: Path, numbers: int) -> None:
    """Print the size of so many float16 numbers. Raises InputError if the disk lacks the space.

    DVC may keep a second copy in its cache, hence twice.
    """
    needed = 2 * numbers / 1e6
    free = shutil.disk_usage(target.parent).free / 1e6
    print(f"features: {needed:,.0f} MB to write, and as much in DVC's cache", flush=True)
    if free < 2 * needed:
        raise InputError(
            f"{target}: expected {2 * needed:,.0f} MB of free space, for the features and "
            f"their copy in DVC's cache. Received: {free:,.0f} MB. Free some, or lower "
            "augment.views."
        )


def main() -> None:
    params = load_params()
    make_deterministic(seed=0)
    size, how = params.model.image_size, params.model.resize
    backbone = load_backbone(params.model.alpha, size, paths.RAW_WEIGHTS)
    first = first_trained(backbone, params.model.fine_tune_at, params.model.fine_tune_last)
    extractor = build_extractor(backbone, cut_index(backbone, first), params.model.pooling)
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    labels = sorted(split["label"].unique())  # alphabetical, as Keras orders classes
    images = {name: split[split["split"] == name] for name in ("train", "validation")}
    augments = {"train": params.augment, "validation": None}
    with open_archive(paths.RAW_IMAGES) as archive, replacing(paths.FEATURES) as folder:
        folder.mkdir()
        shapes = {
            name: {
                folder / f"{name}_{kind}.npy": (
                    len(images[name]),
                    augment.views if augment else 1,
                    *output.shape[1:],
                )
                for kind, output in zip(OUTPUTS, extractor.outputs)
            }
            for name, augment in augments.items()
        }
        require_space(
            paths.FEATURES, sum(math.prod(s) for each in shapes.values() for s in each.values())
        )
        write_json(folder / "labels.json", labels)
        run = compile_for_cpu(convert(extractor))
        for name, table in images.items():
            rows = compute_features(run, archive, table, size, how, augments[name])
            write_arrays(shapes[name], rows)
            targets = pd.Index(labels).get_indexer(table["label"]).astype(np.float32)
            np.save(folder / f"{name}_labels.npy", targets)
    print(
        f"features: {params.augment.views} views of {len(images['train']):,} training images, "
        f"1 of {len(images['validation']):,} for validation"
    )


if __name__ == "__main__":
    main()
