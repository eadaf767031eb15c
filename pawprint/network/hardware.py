"""TensorFlow and Keras, started quietly, and the GPUs that training runs on."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterable, Iterator

import joblib

from pawprint.errors import silent_stderr
from pawprint.params.model import Hardware

# Every core that the process may use. Their number changes the last bits of a model, so it is the
# same on machines of up to four cores; with two, four threads are as fast as two.
THREADS = max(4, joblib.cpu_count())

if sys.flags.optimize > 1:
    raise SystemExit(  # nothing can be imported from here
        "PYTHONOPTIMIZE: expected 0 or 1, because TensorFlow needs its docstrings. Received: 2."
    )
# Settings of the user that change results are replaced: DVC cannot see them.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "TF_XLA_FLAGS", "XLA_FLAGS"):
    os.environ.pop(name, None)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Keras imports these, if they are installed, for its own wrappers. Without them a stage starts in
# two thirds of the time. The import of a module fails where it is None.
UNUSED = {"matplotlib", "pandas", "scipy", "sklearn"} - sys.modules.keys()
sys.modules.update(dict.fromkeys(UNUSED))  # type: ignore[arg-type]  # Python allows None
with silent_stderr():
    import keras
    import tensorflow as tf
for name in UNUSED:
    del sys.modules[name]

keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
# Only training takes GPUs (training_on); other stages would allocate their memory for nothing.
tf.config.set_visible_devices([], "GPU")
# Imported modules stay to the end of the process. Without this, the garbage collector walks
# through all of them at exit.
gc.freeze()


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
