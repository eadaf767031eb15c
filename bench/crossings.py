"""Count weights that two processors may round differently: `python -m bench.crossings`.

Prints a row for each network and number of classes: the fits that a run records and their weights;
the largest difference between the weights of two of OpenBLAS's kernels, before rounding, as a
fraction of the step; the number of weights to be expected on either side of a boundary; and the
number that were. The images are altered parts of those in the archive, as in bench.growth.
The weights of MobileNetV2 are `imagenet` in KERAS_HOME. Run this after `dvc repro`.
"""

import argparse
import io
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from PIL import Image

from bench.growth import altered, originals
from pawprint.base.rounding import step_of
from pawprint.network import logistic_regression
from pawprint.network.cross_validation import Examples, cross_validate, learning_curve
from pawprint.network.extractor import load_extractor
from pawprint.network.new_head import solve
from pawprint.network.rows import row_function
from pawprint.network.views import IDENTITY
from pawprint.pipeline.params.model import Model, Weights

SIZE = 96  # in pixels
IMAGES = 300  # small projects have the smallest fits, which differ most
CLASSES = (2, 6, 40)
NETWORKS = {
    "MobileNetV2": (0.35, 1.0),
    "EfficientNetLite0": (None,),
    "EfficientNetLite2": (None,),
}
KERNELS = ("Haswell", "Nehalem")  # with and without fused multiplication and addition
Fit = list[np.ndarray]  # weights and intercepts before rounding


def features_of(backbone: str, alpha: float | None, files: list[bytes]) -> dict[bool, np.ndarray]:
    """Return the features of images, with and without blocks, float32 `(images, 1, …)`."""
    changes = {"backbone": backbone, "alpha": alpha, "image_size": SIZE, "fine_tune_at": None}
    model = Model.model_validate(Model.load().model_dump() | changes | {"features": "auto"})
    extractor = load_extractor(model, Weights(source="imagenet", sha256=None))
    compute = row_function(extractor.network, model.resize)
    rows = [compute(lambda _, file=file: open_rgb(file), [IDENTITY])[0] for file in files]
    kinds = dict(zip(extractor.outputs, map(np.stack, zip(*rows)), strict=True))
    both = np.concatenate([kinds["blocks"], kinds["top"]], axis=1)
    return {False: kinds["top"][:, None], True: both[:, None]}


def open_rgb(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def fits_of(examples: Examples) -> list[Fit]:
    """Return the fits that `train_extract` records, in order."""
    fits: list[Fit] = []
    to_step = logistic_regression.to_step

    def recorded(*arrays: np.ndarray) -> list[np.ndarray]:
        fits.append(list(arrays))
        return to_step(*arrays)

    logistic_regression.to_step = recorded
    chosen = cross_validate(examples)
    validation = examples.features[chosen.has_blocks], examples.actual
    solve(examples, validation, chosen, np.arange(len(examples.actual)))
    learning_curve(examples, chosen)
    return fits


def fits_with(kernel: str, examples: Examples) -> list[Fit]:
    """Return the fits of a process with this kernel of OpenBLAS."""
    os.environ["OPENBLAS_CORETYPE"] = kernel
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(fits_of, examples).result()


def compare(fits: Iterator[tuple[Fit, Fit]]) -> list[float]:
    """Return the number of weights, the largest and the summed difference, and the crossings."""
    cells = np.zeros(4)
    for ours, others in fits:
        step = step_of(*ours)
        for here, there in zip(ours, others):
            difference = np.abs(here - there) / step
            crossed = (np.round(here / step) != np.round(there / step)).sum()
            cells[[0, 2, 3]] += here.size, difference.sum(), crossed
            cells[1] = max(cells[1], difference.max())
    return cells.tolist()


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print("| network | classes | fits | weights | largest difference | expected | found |")
    print("|---|---|---|---|---|---|---|")
    for classes in CLASSES:
        sources = originals(SIZE)
        if classes > 2:  # the parts of each original image form a class
            sources = [
                (f"{number:04}", image) for number, (_, image) in enumerate(sources[:classes])
            ]
        names, files = zip(*altered(sources, SIZE, 0, IMAGES))
        labels, actual = np.unique([name.split("/")[0] for name in names], return_inverse=True)
        images = np.arange(IMAGES)
        for backbone, widths in NETWORKS.items():
            for alpha in widths:
                features = features_of(backbone, alpha, files)
                examples = Examples(features, actual, images, images.astype(str), [*labels])
                ours, others = (fits_with(kernel, examples) for kernel in KERNELS)
                weights, largest, expected, found = compare(zip(ours, others, strict=True))
                name = backbone if alpha is None else f"{backbone} {alpha}"
                print(
                    f"| {name} | {len(labels)} | {len(ours)} | {weights:,.0f} | {largest:.1e} | "
                    f"{expected:.1e} | {found:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
