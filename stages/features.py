"""Run the frozen layers once over every training and validation image, and keep what they give.

Reads data/raw/images.zip, data/split/images.csv and data/raw/weights.h5. Params: `features`,
`model`, `augment`. Writes data/features/. Run: `python -m stages.features`
"""

import os
import zipfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.shared import paths
from stages.shared.archive import open_archive
from stages.shared.augment import IDENTITY, draw_transformations, warp
from stages.shared.backend import keras, make_deterministic
from stages.shared.images import map_batches, open_image, resize
from stages.shared.network import (
    cut_index,
    first_trained,
    freeze,
    load_base,
    pool,
    rescale,
    split_at,
)
from stages.shared.params import Features, load_params
from stages.shared.records import read_csv, replacing, write_json


def build_extractor(base: keras.Model, cut: int, pooling: str) -> keras.Model:
    """Pixels `(batch, size, size, 3)` in [0, 255] to what both phases of training start from.

    Two outputs: the feature maps at the cut, where fine-tuning starts, and the pooled features
    at the end of the base, `(batch, features)`, where the head starts.
    """
    pixels = keras.Input(base.input_shape[1:])
    before, after = split_at(base, cut)
    at_cut = before(rescale(pixels), training=False)
    return keras.Model(pixels, [at_cut, pool(after(at_cut, training=False), pooling)])


def create_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new float16 array in a file, whose room on the disk is taken at once.

    A mapped file that finds the disk full only when it is written to ends the process.
    """
    array = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def extract(
    extractor: keras.Model,
    archive: zipfile.ZipFile,
    rows: list[dict],
    transformations: np.ndarray,
    params: Features,
    target: Path,
) -> None:
    """Write `{target}_cut.npy` and `{target}_top.npy`, float16 `(views, images, …)`.

    `transformations` is float64 `(views, images, 2, 3)`, see augment.draw_transformations.
    """
    size, views = extractor.input_shape[1], len(transformations)

    def draw_views(index: int) -> np.ndarray:
        pixels = resize(open_image(archive, rows[index]["path"]), size)
        return np.stack([warp(pixels, each) for each in transformations[:, index]])

    outputs = [
        create_array(Path(f"{target}_{name}.npy"), (views, len(rows), *output.shape[1:]))
        for name, output in zip(("cut", "top"), extractor.outputs)
    ]
    run = freeze(extractor)
    images_per_batch = max(1, params.batch_size // views)
    done = 0
    with tqdm(total=len(rows), desc=target.name, unit="image", disable=None) as progress:
        for batch in map_batches(draw_views, range(len(rows)), images_per_batch):
            for output, values in zip(outputs, run(np.concatenate(batch))):
                by_image = values.reshape(len(batch), views, *values.shape[1:])
                output[:, done : done + len(batch)] = by_image.swapaxes(0, 1)
            done += len(batch)
            progress.update(len(batch))


def main() -> None:
    params = load_params()
    make_deterministic(seed=0)
    base = load_base(params.model.alpha, params.model.image_size, paths.RAW_WEIGHTS)
    cut = cut_index(
        base, first_trained(base, params.model.fine_tune_at, params.model.fine_tune_last)
    )
    extractor = build_extractor(base, cut, params.model.pooling)
    rows = read_csv(paths.SPLIT_IMAGES)
    labels = sorted({row["label"] for row in rows})  # alphabetical, as Keras orders classes
    with open_archive(paths.RAW_IMAGES) as archive, replacing(paths.FEATURES) as folder:
        folder.mkdir()
        write_json(folder / "labels.json", labels)
        for name in ("train", "validation"):
            of_split = [row for row in rows if row["split"] == name]
            as_it_is = np.tile(IDENTITY, (1, len(of_split), 1, 1))
            views = [
                draw_transformations(params.augment, view, len(of_split), params.model.image_size)
                for view in range(params.augment.views)
            ]
            transformations = np.stack(views) if name == "train" else as_it_is
            extract(extractor, archive, of_split, transformations, params.features, folder / name)
            targets = np.array([labels.index(row["label"]) for row in of_split], np.float32)
            np.save(folder / f"{name}_labels.npy", targets)
    size = sum(file.stat().st_size for file in paths.FEATURES.iterdir())
    print(f"features: {params.augment.views} views, cut at {base.layers[cut].name}, {size:,} bytes")


if __name__ == "__main__":
    main()
