"""The hardware that training runs on: the GPUs that TensorFlow sees, or the CPU.

Inference runs on the CPU in every stage: the numbers do not depend on a GPU, and OpenVINO is as
fast as the decoding of the images.
"""

import contextlib
from collections.abc import Iterable, Iterator

from pawprint.core.params.hardware import Hardware
from pawprint.network.backend import keras, tf


@contextlib.contextmanager
def training_on(params: Hardware) -> Iterator[str]:
    """Place the networks that are built and trained inside on the GPUs; yields the precision.

    With several GPUs each holds a copy of the network and computes a part of every batch.
    """
    if params.threads != "auto":
        tf.config.threading.set_intra_op_parallelism_threads(params.threads)
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
    """A strategy that uses several devices as one; TensorFlow's default for fewer than two."""
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def computing_in(precision: str, layers: Iterable[keras.layers.Layer]) -> Iterator[None]:
    """Let layers compute in a dtype policy of Keras inside; their weights stay float32."""
    for layer in layers:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer in layers:
            layer.dtype_policy = "float32"
