"""Test that user settings that DVC cannot see do not change results."""

from conftest import PROJECT, succeed

# Trains a convolution for one step and prints the hash of its weights.
TRAINING = """
import hashlib, numpy as np
from pawprint.network.hardware import keras, make_deterministic
make_deterministic(1)
model = keras.Sequential([
    keras.Input((32, 32, 3)),
    keras.layers.Conv2D(16, 3), keras.layers.BatchNormalization(),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1),
])
model.compile("adam", "mse")
pixels = np.random.default_rng(0).uniform(size=(64, 32, 32, 3)).astype(np.float32)
model.fit(pixels, pixels[:, 0, 0, :1], epochs=2, verbose=0)
print(hashlib.sha256(b"".join(each.tobytes() for each in model.get_weights())).hexdigest())
"""
KERAS_JSON = '{"floatx": "float16", "epsilon": 0.01, "backend": "jax", '
KERAS_JSON += '"image_data_format": "channels_first"}'
ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    "KERAS_FLOATX": "float16",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "XLA_FLAGS": "--xla_no_such_flag",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def trained(folder, **environment: str) -> str:
    return succeed("python", "-c", TRAINING, cwd=folder, PYTHONPATH=str(PROJECT), **environment)


def test_environment_and_configuration_file_of_keras_change_nothing(tmp_path):
    (tmp_path / "keras.json").write_text(KERAS_JSON)
    weights = trained(tmp_path, KERAS_HOME=str(tmp_path), **ENVIRONMENT)
    assert weights == trained(tmp_path)
