"""The pipeline against the plain script with a wide network: `python -m bench.wide`.

Both train MobileNetV2 of width 1.0 with random weights at 224 px, the network of the recipe
petimages-224, for 3 + 3 epochs. The pipeline's seconds are those of the stages in
`bench.compare.COMPARED`. Prints the ratio, and the one that a count of multiply-adds predicts: a
backward pass counts twice a forward pass; decoding, augmentation and starts do not count. Run after
`dvc repro`, on a machine with nothing else to do: about six minutes on two cores.
"""

import math
import tempfile
from pathlib import Path

from bench.compare import COMPARED, params_for, run_pipeline, run_script, with_epochs
from pawprint.core import paths
from pawprint.core.params.whole import load_params
from pawprint.core.tables import SPLIT, read_table
from pawprint.network.applications import application
from pawprint.network.backend import keras
from recipes.overlay import overlay
from recipes.sample.demo import PROJECT, prepare

ALPHA, SIZE, EPOCHS = 1.0, 224, 3


def multiply_adds(layers: list[keras.layers.Layer]) -> int:
    """Of a forward pass of one image through the convolutions."""
    kinds = keras.layers.Conv2D, keras.layers.DepthwiseConv2D
    return sum(
        math.prod(layer.weights[0].shape) * math.prod(layer.output.shape[1:-1])
        for layer in layers
        if isinstance(layer, kinds)
    )


def predicted_ratio() -> float:
    """Multiply-adds of the script divided by those of the pipeline."""
    params = load_params(PROJECT / "params.yaml")
    base, first = application("MobileNetV2", ALPHA, SIZE), params.model.fine_tune_at
    frozen, trained = multiply_adds(base.layers[:first]), multiply_adds(base.layers[first:])
    whole = frozen + trained
    images = read_table(paths.SPLIT_IMAGES, SPLIT)["split"].value_counts()
    train, validation, test = images["train"], images["validation"], images["test"]
    script = 2 * EPOCHS * (train + validation) * whole + EPOCHS * train * 2 * trained
    script += (2 * validation + test) * whole
    features = (params.augment.views * train + validation) * whole
    fine_tuning = EPOCHS * (train * 3 + validation) * trained
    served = (train + 2 * validation + test) * whole
    return script / (features + fine_tuning + served)


def main() -> None:
    options = ("--alpha", str(ALPHA), "--epochs", str(EPOCHS))
    script = run_script(SIZE, 1, *options)["seconds"]["total"]
    params = overlay(params_for(SIZE, 1), f"model: {{alpha: {ALPHA}}}\nweights: {{source: none}}")
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), with_epochs(params, EPOCHS))
        seconds = run_pipeline(Path(folder))["seconds"]
    compared, cold = sum(seconds[stage] for stage in COMPARED), seconds["total"]
    print("| | seconds | ratio |\n|---|---|---|")
    print(f"| script | {script:.0f} | 1 |")
    print(f"| {', '.join(COMPARED)} | {compared:.0f} | {script / compared:.1f} |")
    print(f"| `dvc repro` from nothing | {cold:.0f} | {script / cold:.1f} |")
    print(f"| predicted by multiply-adds | | {predicted_ratio():.1f} |")


if __name__ == "__main__":
    main()
