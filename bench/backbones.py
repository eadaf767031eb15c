"""What the features of an image cost on the CPU, by backbone: `python -m bench.backbones`.

One image of 224 x 224 pixels at a time through the whole backbone on all cores, as in `features`,
without decoding; weights are random, which changes no time. A vision transformer stands for an ONNX
file. About two minutes on two cores.
"""

import time

import numpy as np

from pawprint.engine.mapping import map_in_threads
from pawprint.network.conversion import convert
from pawprint.network.hardware import keras
from pawprint.network.model import application
from pawprint.runtime.compiled import CORES, compile_for_cpu

SIZE, IMAGES = 224, 100
KERAS = {
    "MobileNetV2": (0.35, 1.0),
    "MobileNetV3Small": (1.0,),
    "EfficientNetV2B0": (None,),
    "ResNet50": (None,),
    "DenseNet121": (None,),
    "ConvNeXtTiny": (None,),
}


def vit_small() -> keras.Model:
    """A vision transformer of the shape of DINOv2 ViT-S/14 (https://arxiv.org/abs/2304.07193)."""
    patch, width, blocks, heads = 14, 384, 12, 6
    layers = keras.layers
    pixels = keras.Input((SIZE, SIZE, 3))
    patches = layers.Reshape((-1, width))(layers.Conv2D(width, patch, patch)(pixels))
    tokens = keras.ops.concatenate([patches[:, :1], patches], axis=1)  # one more, as its class
    for _ in range(blocks):
        normal = layers.LayerNormalization()(tokens)
        tokens += layers.MultiHeadAttention(heads, width // heads)(normal, normal)
        hidden = layers.Dense(4 * width, "gelu")(layers.LayerNormalization()(tokens))
        tokens += layers.Dense(width)(hidden)
    return keras.Model(pixels, layers.LayerNormalization()(tokens)[:, 0])


def main() -> None:
    networks = {
        (name, alpha): application(name, alpha, SIZE)
        for name, widths in KERAS.items()
        for alpha in widths
    }
    networks["ViT-S/14", None] = vit_small()
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    print("| backbone | million parameters | features | CPU ms an image |\n|---|---|---|---|")
    for (name, alpha), network in networks.items():
        compute = compile_for_cpu(convert(network))
        list(map_in_threads(compute, [picture] * 2 * CORES))
        start = time.process_time()
        list(map_in_threads(compute, [picture] * IMAGES))
        milliseconds = 1000 * (time.process_time() - start) / IMAGES
        width = "" if alpha is None else f" {alpha}"
        print(
            f"| {name}{width} | {network.count_params() / 1e6:.1f} | {network.output_shape[-1]} "
            f"| {milliseconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
