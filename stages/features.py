"""Run the frozen layers once over every training and validation image, and keep what they give.

Reads data/raw/images.zip, data/split/images.csv and data/raw/weights.h5. Params: `features`,
`model`, `augment`. Writes data/features/. Run: `python -m stages.features`
"""

import zipfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.shared import paths
from stages.shared.archive import open_archive
from stages.shared.augment import draw_transformations, warp
from stages.shared.backend import keras, make_deterministic
from stages.shared.images import decode, map_batches, resize
from stages.shared.network import cut_index, freeze, load_base, pool, rescale, split_at
from stages.shared.params import Augment, Features, load_params
from stages.shared.records import read_csv, replacing, write_json


def build_extractor(base: keras.Model, fine_tune_at: int) -> keras.Model:
    """Pixels `(batch, size, size, 3)` in [0, 255] to what both phases of training start from.

    Two outputs: the feature maps at the cut, where fine-tuning starts, and the pooled features
    at the end of the base, `(batch, channels)`, where the head starts.
    """
    pixels = keras.Input(base.input_shape[1:])
    before, after = split_at(base, cut_index(base, fine_tune_at))
    at_cut = before(rescale(pixels), training=False)
    return keras.Model(pixels, [at_cut, pool(after(at_cut, training=False))])


def extract(
    extractor: keras.Model,
    archive: zipfile.ZipFile,
    rows: list[dict],
    views: int,
    params: Features,
    augment: Augment,
    target: Path,
) -> None:
    """Write `{target}_cut.npy` and `{target}_top.npy`, float16 `(views, images, …)`.

    View 0 is the image as it is, the others are augmented.
    """
    size = extractor.input_shape[1]
    transformations = np.stack(
        [draw_transformations(augment, view, len(rows), size) for view in range(views)], axis=1
    )

    def draw_views(index: int) -> np.ndarray:
        pixels = resize(decode(archive.read(rows[index]["path"])), size)
        return np.stack([pixels] + [warp(pixels, each) for each in transformations[index, 1:]])

    outputs = [
        np.lib.format.open_memmap(
            f"{target}_{name}.npy", "w+", np.float16, (views, len(rows), *output.shape[1:])
        )
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
    base = load_base(params.model, paths.RAW_WEIGHTS)
    extractor = build_extractor(base, params.model.fine_tune_at)
    rows = read_csv(paths.SPLIT_IMAGES)
    labels = sorted({row["label"] for row in rows})  # alphabetical, as Keras orders classes
    with open_archive(paths.RAW_IMAGES) as archive, replacing(paths.FEATURES) as folder:
        folder.mkdir()
        write_json(folder / "labels.json", labels)
        for name, views in (("train", params.augment.views), ("validation", 1)):
            of_split = [row for row in rows if row["split"] == name]
            extract(
                extractor, archive, of_split, views, params.features, params.augment, folder / name
            )
            targets = np.array([labels.index(row["label"]) for row in of_split], np.float32)
            np.save(folder / f"{name}_labels.npy", targets)
    size = sum(file.stat().st_size for file in paths.FEATURES.iterdir())
    cut = base.layers[cut_index(base, params.model.fine_tune_at)].name
    print(f"features: {params.augment.views} views, cut at {cut}, {size:,} bytes")


if __name__ == "__main__":
    main()
