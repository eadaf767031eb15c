"""Backbones at 224 px, and what works with each: `python -m bench.backbones`.

Prints a table of Markdown. Weights are random, fine-tuning begins where the error message for
`model.fine_tune_at` suggests, and an image has one view. Images are noise, already decoded. With
`--formats` it prints the second table, for which each format is written and read back at 64 px and
compared with Keras; that takes a minute per backbone.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from pawprint.cli.formats import FORMATS
from pawprint.core.errors import silent_stderr
from pawprint.core.params.head import Head
from pawprint.core.params.model import WIDTHS
from pawprint.engine.threads import map_in_threads
from pawprint.network.applications import application
from pawprint.network.cut import cut_index, suggested
from pawprint.network.extractor import build_extractor
from pawprint.network.head import build_head
from pawprint.network.model import build_model, for_export, load_model, save_model
from pawprint.network.saliency import grad_cam
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import convert

NAMES = (
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetV2B0",
    "ResNet50",
    "DenseNet121",
    "ConvNeXtTiny",
)
SIZE, SMALL = 224, 64
IMAGES = 32  # timed
TOLERANCE = 1e-3  # of a probability


def width(name: str) -> float | None:
    return 1.0 if name in WIDTHS else None


def costs(name: str) -> str:
    """The row of a backbone in the first table."""
    backbone = application(name, width(name), SIZE)
    layer = suggested(backbone)
    cut = cut_index(backbone, backbone.layers.index(layer))
    extractor = build_extractor(name, backbone, cut, "average")
    shape = extractor.outputs[0].shape[1:]
    run = compile_for_cpu(convert(extractor))
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, SIZE, SIZE, 3), np.uint8)
    start = time.process_time()  # of all threads, whatever else the computer does
    list(map_in_threads(run, images))
    seconds = (time.process_time() - start) * 1000 / IMAGES
    megabytes = math.prod(shape) * 2 * 1000 / 1e6
    return (
        f"| {name} | {backbone.count_params() / 1e6:.1f} | {len(backbone.layers)} | `{layer.name}` "
        f"| {' × '.join(map(str, shape))} | {megabytes:.0f} | {seconds:.0f} |"
    )


def formats(name: str) -> str:
    """The row of a backbone in the second table: whether each format gives Keras' probability."""
    images = np.random.default_rng(0).integers(0, 256, (2, SMALL, SMALL, 3), np.uint8)
    given = images.astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        backbone = application(name, width(name), SMALL)
        head = build_head(Head(dense=None, dropout=0.0, output="logits"), 2)
        save_model(build_model(name, backbone, head, "average"), path / "model.keras")
        model = load_model(path / "model.keras")
        expected = model.predict_on_batch(given)

        def agrees(run, inputs: np.ndarray) -> str:
            values = [np.asarray(run(each)).ravel() for each in inputs]
            return "yes" if np.abs(np.array(values) - expected).max() < TOLERANCE else "no"

        exported = for_export(model, 1.0)
        exported.predict_on_batch(given)
        cells = [agrees(compile_for_cpu(convert(exported)), images)]
        cells.append("yes" if np.isfinite(grad_cam(model, images[0], True)).all() else "no")
        for kind in ("litert", "onnx", "saved_model", "h5"):
            target = path / kind
            target.mkdir()
            file = target / FORMATS[kind].file
            try:
                with silent_stderr():
                    FORMATS[kind].write(exported, file, images)
                    run = FORMATS[kind].open(file)
                cells.append(agrees(run, given[:, None]))
            except Exception:  # a converter raises anything for what its format cannot hold
                cells.append("no")
    return f"| {name} | yes | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--formats", action="store_true")
    arguments = parser.parse_args()
    if arguments.formats:
        print("| backbone | pipeline | predict | saliency | LiteRT | ONNX | SavedModel | HDF5 |")
        print("|---|---|---|---|---|---|---|---|")
    else:
        print(
            "| backbone | parameters, million | layers | `fine_tune_at` | features of an image "
            "| MB | CPU seconds |"
        )
        print("|---|---|---|---|---|---|---|")
    for name in arguments.names:
        print(formats(name) if arguments.formats else costs(name), flush=True)


if __name__ == "__main__":
    main()
