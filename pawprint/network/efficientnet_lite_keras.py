"""Build EfficientNet-Lite in Keras for training, with weights from efficientnet_lite.py."""

from pathlib import Path

from pawprint.network.efficientnet_lite import (
    EPSILON,
    KERAS_FILES,
    Convolution,
    as_in_keras,
    blocks,
    packaged_file,
    read_weights,
)
from pawprint.network.hardware import keras
from pawprint.params.model import IMAGENET

OPTIONS = {"padding": "same", "use_bias": False}
# Random weights that keep the scale of the feature maps.
SCALING = {"class_name": "VarianceScaling", "config": {"scale": 2, "mode": "fan_out"}}


def efficientnet_lite(
    name: str, input_shape: tuple[int, int, int], weights: str | None = None
) -> keras.Model:
    """Return a network without its top, from float32 `(batch, size, size, 3)` to feature maps.

    `weights` is IMAGENET for the installed package; the path of a file for `read_weights` or for
    Keras' `load_weights`; or None for random weights. Layers are named as in Keras' EfficientNet.
    Raises InputError if the package is missing or `read_weights` rejects the file.
    """
    pixels = maps = keras.Input(input_shape)
    for block in blocks(name):
        before = maps
        for convolution in block.convolutions:
            maps = _convolve(maps, convolution)
        if block.is_added:
            maps = keras.layers.Add(name=f"{block.name}_add")([maps, before])
    network = keras.Model(pixels, maps, name=name)
    if weights and Path(weights).suffix in KERAS_FILES:
        network.load_weights(weights)
    elif weights:
        path = packaged_file(name) if weights == IMAGENET else Path(weights)
        network.set_weights(as_in_keras(read_weights(name, path)))
    return network


def _convolve(maps: keras.KerasTensor, convolution: Convolution) -> keras.KerasTensor:
    name, kernel, stride, _, channels, is_depthwise, is_activated = convolution
    if is_depthwise:
        options = OPTIONS | {"depthwise_initializer": SCALING, "name": f"{name}_dwconv"}
        layer = keras.layers.DepthwiseConv2D(kernel, stride, **options)
    else:
        options = OPTIONS | {"kernel_initializer": SCALING, "name": f"{name}_conv"}
        layer = keras.layers.Conv2D(channels, kernel, stride, **options)
    maps = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(layer(maps))
    return keras.layers.ReLU(6, name=f"{name}_activation")(maps) if is_activated else maps
