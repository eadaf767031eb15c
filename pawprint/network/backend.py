"""TensorFlow and Keras, started quietly and without imports that the project does not use."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

from pawprint.core.errors import silent_stderr

# Keras imports these, if they are installed, for its own wrappers. Without them a stage starts in
# two thirds of the time.
UNUSED = ("matplotlib", "pandas", "scipy", "sklearn")


@contextlib.contextmanager
def _not_importable(names: tuple[str, ...]) -> Iterator[None]:
    """Make `import` fail for those of the modules that are not imported yet."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # from here on, read while importing
with silent_stderr(), _not_importable(UNUSED):
    import keras
    import tensorflow as tf

# Only training takes GPUs (hardware.py); other stages would allocate their memory for nothing.
tf.config.set_visible_devices([], "GPU")
# Imported modules stay to the end of the process. Without this, the garbage collector walks
# through all of them at exit.
gc.freeze()

__all__ = [
    "keras",
    "make_deterministic",
    "tf",
]


def make_deterministic(seed: int) -> None:
    """Seed every generator and make TensorFlow's kernels give the same bits every time."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
