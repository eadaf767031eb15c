"""Images per second of each part of `features`, alone and together: `python -m bench.rates`.

Each figure is the best of three, on the first 600 training images, all cores at work. Run after
`dvc repro`.
"""

import contextlib
import io
import itertools
import time
from collections.abc import Callable

import numpy as np

from pawprint.core import paths
from pawprint.core.params.whole import load_params
from pawprint.core.tables import SPLIT, read_table
from pawprint.engine.threads import map_in_threads
from pawprint.features.rows import row_function
from pawprint.images.archive import open_archive
from pawprint.images.augmentation import draw_transformation
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.warp import warp
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import read_network

IMAGES = 600


def rate(work: Callable[[], object], pictures: int) -> float:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            work()
        seconds.append(time.perf_counter() - start)
    return pictures / min(seconds)


def main() -> None:
    params = load_params()
    model, size = params.model, params.model.image_size
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    images = split[split["split"] == "train"].head(IMAGES)
    views = params.augment.views
    extractor = read_network(paths.EXTRACTOR)
    network, compute = compile_for_cpu(extractor), row_function(extractor, model.resize)
    with open_archive(paths.RAW_ARCHIVES) as archive:

        def read(name: str) -> np.ndarray:
            return resize(open_image(archive, name), size, model.resize)

        members = images["path"].to_list()
        pixels = list(map_in_threads(read, members))
        hashes = images["pixels_sha256"].to_list()
        pairs = list(itertools.product(range(1, views), range(len(images))))

        def warp_one(pair: tuple[int, int]) -> None:
            view, index = pair
            warp(pixels[index], draw_transformation(params.augment, hashes[index], view, size))

        def compute_one(image: tuple[str, str]) -> None:
            path, sha256 = image
            drawn = [draw_transformation(params.augment, sha256, v, size) for v in range(views)]
            compute(open_image(archive, path), drawn)

        rates = {
            "decode and resize": rate(lambda: list(map_in_threads(read, members)), len(images)),
            "augment": rate(lambda: list(map_in_threads(warp_one, pairs)), len(pairs)),
            "frozen layers": rate(lambda: list(map_in_threads(network, pixels)), len(pixels)),
            "all of them": rate(
                lambda: list(map_in_threads(compute_one, zip(members, hashes))),
                len(images) * views,
            ),
        }
    # An image is decoded once, augmented views - 1 times, and computed views times.
    needed = 1 / rates["decode and resize"] / views + 1 / rates["frozen layers"]
    if views > 1:
        needed += (views - 1) / views / rates["augment"]
    for part, value in rates.items():
        print(f"{part:<20}{value:8,.0f} pictures/s")
    print(f"{'the parts in turn':<20}{1 / needed:8,.0f} pictures/s")


if __name__ == "__main__":
    main()
