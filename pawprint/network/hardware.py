"""TensorFlow and Keras, started once, quietly, and the GPUs that training runs on.

All modules of networks import `keras` and `tf` from here. Some of them derive classes from Keras',
so it has to start before they can be imported, and not when a stage begins.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator

import joblib

from pawprint import collector
from pawprint.errors import silent_stderr
from pawprint.params.model import Hardware

# Every core that the process may use. Their number changes the last bits of a model, so it is the
# same on machines of up to four cores; with two, four threads are as fast as two.
THREADS = max(4, joblib.cpu_count())

# Settings of the user that change results are replaced: DVC cannot see them.
SETTINGS = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "1"}
REMOVED = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "TF_XLA_FLAGS", "XLA_FLAGS")
# Keras imports these, if they are installed, for its own wrappers. Without them a stage starts in
# two thirds of the time.
UNUSED = ("matplotlib", "pandas", "scipy", "sklearn")


def start_keras() -> None:
    """Import TensorFlow and Keras into this process, with the same settings for every user.

    This is all that Pawprint changes of a process for them: environment variables, which have to be
    set before the import, what Keras may import, the configuration of both, and no GPUs, which only
    `training_on` takes: other stages would allocate their memory for nothing.
    """
    if sys.flags.optimize > 1:
        raise SystemExit(  # nothing can be imported from here
            "PYTHONOPTIMIZE: expected 0 or 1, because TensorFlow needs its docstrings. Received: 2."
        )
    os.environ |= SETTINGS
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with collector.paused(), silent_stderr(), without_modules(UNUSED):
        import keras
        import tensorflow as tf
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    tf.config.set_visible_devices([], "GPU")


@contextlib.contextmanager
def without_modules(names: Iterable[str]) -> Iterator[None]:
    """Let imports of these modules fail in the block, but for those that are imported already."""
    hidden = {*names} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


start_keras()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402


def make_deterministic(seed: int) -> None:
    """Seed every generator and make TensorFlow's kernels give the same bits every time."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def training_on(params: Hardware) -> Iterator[str]:
    """Place the networks that are built and trained inside on the GPUs; yield the precision.

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
    with strategy_for(tf.config.list_logical_devices("GPU")).scope():
        yield precision


def strategy_for(devices: list) -> tf.distribute.Strategy:
    """Return a strategy that uses all devices; TensorFlow's default for fewer than two."""
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
