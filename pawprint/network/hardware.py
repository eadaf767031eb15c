"""What training runs on: the GPUs that TensorFlow sees, or the CPU.

Networks that are only run, run on the CPU in every stage: there they give the same numbers
everywhere, and OpenVINO keeps up with what decodes the images.
"""

import contextlib
from collections.abc import Iterable, Iterator

from pawprint.core.params import Hardware
from pawprint.network.backend import keras, tf


@contextlib.contextmanager
def training_on(params: Hardware) -> Iterator[str]:
    """Place on the GPUs what is built and trained inside, and give the precision to train in.

    With several GPUs each holds a copy of the network and takes its share of every batch.
    """
    gpus = tf.config.list_physical_devices("GPU") if params.devices == "auto" else []
    tf.config.set_visible_devices(gpus, "GPU")
    precision = params.precision
    if precision == "auto":
        precision = "mixed_float16" if gpus else "float32"
    if gpus:
        print(f"training on GPUs: {len(gpus)}, {precision}")
    with mirrored(tf.config.list_logical_devices("GPU")).scope():
        yield precision


def mirrored(devices: list) -> tf.distribute.Strategy:
    """Several devices as one, or TensorFlow's own choice if there are not several."""
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def computing_in(precision: str, layers: Iterable[keras.layers.Layer]) -> Iterator[None]:
    """Let layers compute in a precision of Keras' inside; their weights are float32 throughout."""
    for layer in layers:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer in layers:
            layer.dtype_policy = "float32"
