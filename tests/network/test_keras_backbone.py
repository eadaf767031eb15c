import hashlib
import os
import shutil

import numpy as np
import pytest
from conftest import PROJECT, SAMPLE_SHA256, SAMPLE_WEIGHTS, overlay, refused, succeed
from networks import model_params, sample_backbone

from pawprint.base import paths
from pawprint.base.files import digest
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.keras_backbone import KerasNetwork
from pawprint.network.keras_model import load_model
from pawprint.network.weights_file import arrays_sha256
from pawprint.pipeline.params.model import Weights
from stages import backbone

NETWORK = model_params(image_size=64)
IMAGENET = Weights(source="imagenet", sha256=None)


def test_no_weights_are_random_ones_that_are_always_the_same():
    hashes = []
    for _ in range(2):
        keras.utils.clear_session()  # as in a new process
        make_deterministic(0)
        network = KerasNetwork(NETWORK, Weights(source="none", sha256=None))
        hashes.append(network.weights_sha256)
    assert hashes[0] == hashes[1]
    assert network.backbone.get_layer("Conv1").kernel.numpy().std() > 0


@pytest.mark.parametrize("sha256", [None, "f" * 64])
def test_file_needs_its_hash_which_the_message_gives(sha256):
    with refused("weights.sha256: expected ", SAMPLE_SHA256):
        KerasNetwork(NETWORK, Weights(source=str(SAMPLE_WEIGHTS), sha256=sha256))


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "parts"),
    [(POINTER, ("weights.source", "git lfs pull")), ("<html>", ("expected weights for Mobile",))],
)
def test_file_that_holds_no_weights_is_named(tmp_path, content, parts):
    """As in huggingface/transformers 8497, where the advice was to set the hash of the pointer."""
    file = tmp_path / "weights.h5"
    file.write_text(content)
    with refused(*parts):
        KerasNetwork(NETWORK, Weights(source=str(file), sha256=digest(file)))


def test_source_that_is_no_file_is_refused_and_keeps_its_secret():
    for source in ("no/such.h5", "https://me:secret@example.org/weights.h5"):
        with refused("weights.source: expected imagenet, none or ") as error:
            KerasNetwork(NETWORK, Weights.model_construct(source=source, sha256=None))
        assert "secret" not in str(error.value)


def test_weights_of_keras_are_those_of_224_pixels_for_another_size(keras_home, monkeypatch, capsys):
    """A line says which hash pins the weights."""
    (keras_home / "models").mkdir()
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    shutil.copy(SAMPLE_WEIGHTS, keras_home / "models" / name)
    changes = "{model: {image_size: 150}, weights: {sha256: null}}"
    params = overlay((PROJECT / "params.yaml").read_text(encoding="utf-8"), changes)
    (keras_home / "params.yaml").write_text(params, encoding="utf-8")
    monkeypatch.chdir(keras_home)
    backbone.main()
    expected = sample_backbone()
    assert f"set weights.sha256: {arrays_sha256(expected.get_weights())}" in capsys.readouterr().out
    written = load_model(paths.BACKBONE)
    assert written.input_shape == (None, 150, 150, 3)
    for weight, of_file in zip(written.get_weights(), expected.get_weights(), strict=True):
        assert np.array_equal(weight, of_file)


def test_failed_download_is_one_line_that_says_what_to_do_and_leaves_nothing(keras_home):
    """For this width, there are only weights for 224 pixels."""
    with refused("_1.4_224_no_top.h5", "models/ of KERAS_HOME") as error:
        KerasNetwork(NETWORK.model_copy(update={"alpha": 1.4, "image_size": 160}), IMAGENET)
    assert "secret" not in str(error.value)
    assert not [path for path in (keras_home / "models").rglob("*") if path.is_file()]


def train() -> str:
    """Train a convolution for two epochs and return the hash of its weights."""
    make_deterministic(1)
    layers = [
        keras.Input((32, 32, 3)),
        keras.layers.Conv2D(16, 3),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    pixels = np.random.default_rng(0).uniform(size=(64, 32, 32, 3)).astype(np.float32)
    model.fit(pixels, pixels[:, 0, 0, :1], epochs=2, verbose=0)
    return hashlib.sha256(b"".join(each.tobytes() for each in model.get_weights())).hexdigest()


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


def test_environment_and_configuration_file_of_keras_change_nothing(tmp_path):
    (tmp_path / "keras.json").write_text(KERAS_JSON)
    folders = (PROJECT, PROJECT / "tests", PROJECT / "tests/support")
    path = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    code = "from network.test_keras_backbone import train; print(train())"
    command = ("python", "-c", code)
    elsewhere = succeed(*command, cwd=tmp_path, KERAS_HOME=str(tmp_path), **ENVIRONMENT | path)
    assert elsewhere == succeed(*command, cwd=tmp_path, **path)
