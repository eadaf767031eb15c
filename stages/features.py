"""Run the frozen layers once over every training and validation image, and keep what they give.

Reads data/raw/archives/, data/split/images.csv and data/raw/weights.h5. Params: `model`,
`augment`. Writes data/features/. Run: `python -m stages.features`
"""

import contextlib
import math
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import read_csv, replacing, write_json
from pawprint.core.params import Resize, load_params
from pawprint.images.archive import open_archive
from pawprint.images.augmentation import IDENTITY, draw_views, warp
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.threads import map_in_threads
from pawprint.network.backbone import load_base
from pawprint.network.backend import keras, make_deterministic
from pawprint.network.cut import cut_index, first_trained, split_at
from pawprint.network.model import pool, rescale
from pawprint.runtime.conversion import compile_network


def build_extractor(base: keras.Model, cut: int, pooling: str) -> keras.Model:
    """Pixels `(batch, size, size, 3)` in [0, 255] to what both phases of training start from.

    Two outputs: the feature maps at the cut, where fine-tuning starts, and the pooled features
    at the end of the base, `(batch, features)`, where the head starts.
    """
    pixels = keras.Input(base.input_shape[1:])
    before, after = split_at(base, cut)
    at_cut = before(rescale(pixels), training=False)
    return keras.Model(pixels, [at_cut, pool(after(at_cut, training=False), pooling)])


def require_space(folder: Path, shapes: list[tuple[int, ...]]) -> None:
    """Print how much features of these shapes take. Raises InputError if the disk has not as much.

    DVC may keep a second copy in its cache, hence twice.
    """
    needed = sum(2 * math.prod(shape) for shape in shapes) / 1e6
    free = shutil.disk_usage(folder).free / 1e6
    print(f"features: {needed:,.0f} MB to write, and as much in DVC's cache", flush=True)
    if free < 2 * needed:
        raise InputError(
            f"{paths.FEATURES}: expected {2 * needed:,.0f} MB of free space, for the features and "
            f"their copy in DVC's cache. Received: {free:,.0f} MB. Free some, or lower "
            "augment.views."
        )


def extract(
    run: Callable[[np.ndarray], list[np.ndarray]],
    archive: zipfile.ZipFile,
    rows: list[dict],
    transformations: np.ndarray,
    size: int,
    how: Resize,
    shapes: dict[Path, tuple[int, ...]],
) -> None:
    """Write what `run` gives for each view of each image, float16 `(images, views, …)`.

    `transformations` is float64 `(views, images, 2, 3)`, see augment.draw_views, and
    `shapes` names a file for each output of `run`.
    """

    def compute(index: int) -> list[np.ndarray]:
        pixels = resize(open_image(archive, rows[index]["path"]), size, how)
        views = [run(warp(pixels, each)) for each in transformations[:, index]]
        return [np.stack(outputs).astype(np.float16) for outputs in zip(*views)]

    computed = map_in_threads(compute, range(len(rows)))
    title = f"features, {len(transformations)} per image"
    with contextlib.ExitStack() as stack:
        files = []
        for path, shape in shapes.items():
            files.append(stack.enter_context(path.open("wb")))
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(files[-1], header)
        # Written one after another: a memory map would end the process when the disk is full.
        for outputs in tqdm(computed, total=len(rows), desc=title, unit="image", disable=None):
            for file, output in zip(files, outputs):
                file.write(output.tobytes())


def main() -> None:
    params = load_params()
    make_deterministic(seed=0)
    size, how = params.model.image_size, params.model.resize
    base = load_base(params.model.alpha, size, paths.RAW_WEIGHTS)
    first = first_trained(base, params.model.fine_tune_at, params.model.fine_tune_last)
    cut = cut_index(base, first)
    extractor = build_extractor(base, cut, params.model.pooling)
    rows = read_csv(paths.SPLIT_IMAGES)
    labels = sorted({row["label"] for row in rows})  # alphabetical, as Keras orders classes
    images = {
        name: [row for row in rows if row["split"] == name] for name in ("train", "validation")
    }
    transformations = {
        "train": draw_views(params.augment, len(images["train"]), size),
        "validation": np.tile(IDENTITY, (1, len(images["validation"]), 1, 1)),
    }
    with open_archive(paths.RAW_IMAGES) as archive, replacing(paths.FEATURES) as folder:
        folder.mkdir()
        shapes = {
            name: {
                folder / f"{name}_{kind}.npy": (
                    len(images[name]),
                    len(transformations[name]),
                    *output.shape[1:],
                )
                for kind, output in zip(("cut", "top"), extractor.outputs)
            }
            for name in images
        }
        require_space(folder, [shape for files in shapes.values() for shape in files.values()])
        write_json(folder / "labels.json", labels)
        run = compile_network(extractor)
        for name in images:
            extract(run, archive, images[name], transformations[name], size, how, shapes[name])
            targets = np.array([labels.index(row["label"]) for row in images[name]], np.float32)
            np.save(folder / f"{name}_labels.npy", targets)
    print(
        f"features: {params.augment.views} views of {len(images['train']):,} training images, "
        f"1 of {len(images['validation']):,} for validation"
    )


if __name__ == "__main__":
    main()
