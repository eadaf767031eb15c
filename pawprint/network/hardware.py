"""Start TensorFlow and Keras once and without messages and choose the device for training.

All network modules import `keras` and `tf` from here. Some of them subclass Keras classes, so Keras
has to start before these modules are imported rather than when a stage begins.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator

from pawprint.base.errors import InputError, silent_stderr
from pawprint.base.runtime import LIMITS
from pawprint.base.threads import count_cores
from pawprint.pipeline.entry import CONVERTER, without_modules
from pawprint.pipeline.params.model import Hardware

# Use every available core, but at least four threads. The number of threads changes the last bits
# of a model, so it is the same on all machines with up to four cores. On two cores, four threads
# are as fast as two.
THREADS = max(4, count_cores())

# These replace user settings that change results and that DVC cannot see.
SETTINGS = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": "1"}
REMOVED = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "TF_XLA_FLAGS", "XLA_FLAGS")
# Keras imports these for its own wrappers if they are installed. Without them, a stage starts in
# two thirds of the time.
UNUSED = ("matplotlib", "pandas", "scipy", "sklearn")


def start_keras() -> None:
    """Import TensorFlow and Keras into this process, with the same settings for every user.

    These are all the process-wide changes that Pawprint makes for them, except for those of
    `training_on`: environment variables, which must be set before the import; a list of modules
    that Keras may not import; the configuration of both; and hidden GPUs. Only `training_on` uses
    GPUs, because other stages would allocate GPU memory for nothing.
    """
    if sys.flags.optimize > 1:
        raise SystemExit(  # nothing can be imported from here at this point
            "PYTHONOPTIMIZE: expected 0 or 1, because OpenVINO reads its docstrings. Received: 2."
        )
    os.environ |= SETTINGS
    for name in REMOVED:
        os.environ.pop(name, None)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr(), without_modules([*CONVERTER, *UNUSED]):
        import keras
        import tensorflow as tf
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    tf.config.set_visible_devices([], "GPU")


start_keras()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402


def make_deterministic(seed: int) -> None:
    """Seed every random generator and make TensorFlow's kernels deterministic."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def training_on(params: Hardware) -> Iterator[str]:
    """Let Keras use a GPU, if there is one, in the block, and yield the precision.

    In float32, TensorFlow's CPU kernels are limited as OpenVINO's are, from here on in this
    process. Raises InputError if mixed precision is asked for without a GPU: on most processors,
    TensorFlow 2.21 then ends the process, and on the others it takes longer than in float32.
    """
    if params.threads != "auto":
        tf.config.threading.set_intra_op_parallelism_threads(params.threads)
    gpus = tf.config.list_physical_devices("GPU")[:1] if params.devices == "auto" else []
    tf.config.set_visible_devices(gpus, "GPU")
    precision = params.precision
    if precision == "auto":
        precision = "mixed_float16" if gpus else "float32"
    if precision == "float32":
        os.environ |= LIMITS
    elif not gpus:
        raise InputError(
            f"hardware.precision: {precision} needs a GPU, and training runs on the CPU here. Set "
            "it to auto."
        )
    if gpus:
        print(f"training on a GPU, {precision}")
    yield precision


@contextlib.contextmanager
def computing_in(precision: str, layers: Iterable[keras.layers.Layer]) -> Iterator[None]:
    """Let layers compute with a Keras dtype policy in the block. Their weights stay float32."""
    for layer in layers:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer in layers:
            layer.dtype_policy = "float32"
