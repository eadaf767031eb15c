"""The network that computes the stored features."""

from pawprint.network.applications import preprocessing
from pawprint.network.backend import keras
from pawprint.network.cut import split_at
from pawprint.network.model import pool

# The outputs of the extractor, in their order.
OUTPUTS = ("cut", "top")


def build_extractor(name: str, backbone: keras.Model, cut: int, pooling: str) -> keras.Model:
    """Pixels `(batch, size, size, 3)` in [0, 255] to the inputs of both phases of training.

    Two outputs: the feature maps at the cut, for fine-tuning, and the pooled features at the end
    of the backbone, `(batch, features)`, for the head. `name` is that of the application.
    """
    pixels = keras.Input(backbone.input_shape[1:])
    before, after = split_at(backbone, cut)
    at_cut = before(preprocessing(name)(pixels), training=False)
    return keras.Model(pixels, [at_cut, pool(after(at_cut, training=False), pooling)])
