"""The `.keras` file of a model, read without TensorFlow as Keras reads it, or refused by both."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import PROJECT, SAMPLE_WEIGHTS, run
from scipy.special import logit

from pawprint.core.errors import InputError
from pawprint.core.params import Dense, Head
from pawprint.network.backbone import load_base
from pawprint.network.backend import keras
from pawprint.network.head import build_head
from pawprint.network.model import build_whole, load_model, save_h5, save_model
from pawprint.serving.classifier import load_classifier
from pawprint.serving.keras_file import BASE, HEAD, POOLING, RESCALING, WEIGHTS, write_calibrated
from pawprint.serving.metadata import Meaning

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), np.uint8)
MEANING = Meaning(labels=["cat", "dog"], resize="stretch", threshold=0.3)
PLAIN = Head(dense=None, dropout=0.2, output="sigmoid")
HEADS = {
    "sigmoid": (PLAIN, "average"),
    "logits": (Head(dense=None, dropout=0.0, output="logits"), "average"),
    "flatten": (PLAIN, "flatten"),
    "dense": (
        Head(dense=Dense(units=8, l2=0.01, batch_normalization=True), dropout=0.5, output="logits"),
        "flatten",
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Callable[[str], tuple[Path, keras.Model]]:
    """Models with each head, in memory and saved with an optimizer."""
    folder = tmp_path_factory.mktemp("models")
    models = {}

    def with_head(name: str) -> tuple[Path, keras.Model]:
        if name not in models:
            keras.utils.set_random_seed(1)
            head, pooling = HEADS[name]
            model = build_whole(load_base(0.35, 96, SAMPLE_WEIGHTS), build_head(head), pooling)
            optimizer = keras.optimizers.Adam(name="adam")
            optimizer.build(model.trainable_variables)
            save_model(model, MEANING, folder / f"{name}.keras", optimizer)
            models[name] = (folder / f"{name}.keras", model)
        return models[name]

    return with_head


@pytest.fixture(scope="module")
def ours(saved) -> Path:
    return saved("sigmoid")[0]


def probabilities(path: Path) -> np.ndarray:
    run = load_classifier(path).run
    return np.array([run(pixels) for pixels in PIXELS])


@pytest.mark.parametrize("head", HEADS)
def test_model_is_run_without_tensorflow_as_keras_runs_it(saved, head):
    path, model = saved(head)
    expected = model.predict(PIXELS.astype(np.float32), verbose=0)[:, 0]
    assert len(set(expected)) == len(PIXELS)
    assert np.abs(probabilities(path) - expected).max() < 1e-5
    classifier = load_classifier(path)
    assert (classifier.size, classifier.labels, classifier.resize, classifier.threshold) == (
        96,
        ["cat", "dog"],
        "stretch",
        0.3,
    )


@pytest.mark.parametrize("head", HEADS)
def test_calibrated_model_gives_the_logit_divided_with_openvino_and_with_keras(
    saved, tmp_path, head
):
    path, _ = saved(head)
    write_calibrated(path, tmp_path / "calibrated.keras", 2.5, 0.7)
    expected = logit(probabilities(path)) / 2.5
    classifier = load_classifier(tmp_path / "calibrated.keras")
    assert (classifier.threshold, classifier.resize) == (0.7, "stretch")
    plain = keras.models.load_model(tmp_path / "calibrated.keras")
    assert not hasattr(plain, "optimizer")
    of_keras = plain.predict(PIXELS.astype(np.float32), verbose=0)[:, 0]
    for calibrated in (probabilities(tmp_path / "calibrated.keras"), of_keras):
        np.testing.assert_allclose(logit(calibrated), expected, rtol=1e-3, atol=1e-4)


def test_calibrated_model_is_the_same_bytes_in_every_process_without_the_optimizer(ours, tmp_path):
    """A set of names, for one, has another order in every process."""
    code = """
import sys
from pathlib import Path
from pawprint.serving.keras_file import write_calibrated
write_calibrated(Path(sys.argv[1]), Path(sys.argv[2]), 2.0, 0.5)
"""
    written = set()
    for seed in range(6):
        path = tmp_path / f"{seed}.keras"
        command = ("python", "-c", code, str(ours), str(path))
        result = run(*command, cwd=PROJECT, PYTHONHASHSEED=str(seed))
        assert result.returncode == 0, result.stderr
        written.add(path.read_bytes())
    (calibrated,) = written
    assert len(calibrated) < 0.6 * ours.stat().st_size


READERS = pytest.mark.parametrize("read", [load_model, load_classifier])


@READERS
def test_missing_model_says_how_to_get_it(tmp_path, read):
    with pytest.raises(InputError, match=r"finetune\.keras: no such model\. Run `dvc repro`"):
        read(tmp_path / "finetune.keras")


@READERS
def test_model_of_another_project_is_refused(saved, tmp_path, read):
    saved("sigmoid")[1].save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        assert "labels" not in json.loads(archive.read("metadata.json"))
    shutil.copy(SAMPLE_WEIGHTS, tmp_path / "weights.keras")
    for name in ("other.keras", "weights.keras"):
        with pytest.raises(InputError, match=rf"{name}: expected a model of this project"):
            read(tmp_path / name)


def changed(source: Path, target: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a `.keras` file with one member changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == member else data)
    return target


@READERS
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"class_name": "Dropout"', '"class_name": "Lambda"', "a model with keras.Lambda"),
        (
            '"module": "keras.layers", "class_name": "Dropout"',
            '"module": "subprocess", "class_name": "Popen"',
            "a model with subprocess.Popen",
        ),
        (
            '"class_name": "GlobalAveragePooling2D"',
            '"class_name": "TorchModuleWrapper"',
            "a model with keras.TorchModuleWrapper",
        ),
        ('"units": 1,', '"units": "x",', "Received: "),
        ('"max_value": 6.0', '"max_value": "x"', "Received: "),
        ('"padding": "same"', '"padding": "x"', "Received: "),
        ('{"module"', '{"module', "Received: "),
    ],
)
def test_model_of_other_parts_is_refused(ours, tmp_path, read, old, new, message):
    def change(config: bytes) -> bytes:
        assert old in config.decode()
        return config.decode().replace(old, new, 1).encode()

    path = changed(ours, tmp_path / "theirs.keras", "config.json", change)
    with pytest.raises(InputError, match=f"expected a model of this project.*{message}") as error:
        read(path)
    assert "\n" not in str(error.value)


@READERS
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", value)
        for value in (["cat"], ["cat", "dog", "cow"], "cd", None, ["cat", 1], ["cat", "\x1b[31m"])
    ]
    + [("threshold", value) for value in ("0.5", None, 0, 1.0, 2.0)]
    + [("resize", value) for value in ("bend", None, 1)],
)
def test_model_that_describes_itself_wrongly_is_refused(ours, tmp_path, read, key, value):
    path = changed(
        ours,
        tmp_path / "theirs.keras",
        "metadata.json",
        lambda data: json.dumps(json.loads(data) | {key: value}).encode(),
    )
    with pytest.raises(InputError, match=rf"theirs\.keras: expected a model.*: {key}") as error:
        read(path)
    assert "\n" not in str(error.value)


@READERS
@pytest.mark.parametrize(
    ("shape", "units", "pooling", "message"),
    [
        ((96, 64, 3), 1, POOLING, r"input \[None, 96, 64, 3\]"),
        ((96, 96, 1), 1, POOLING, r"input \[None, 96, 96, 1\]"),
        ((None, None, 3), 1, POOLING, r"input \[None, None, None, 3\]"),
        ((2048, 2048, 3), 1, POOLING, r"input \[None, 2048, 2048, 3\]"),
        ((96, 96, 3), 2, POOLING, r"output .*2"),
        ((96, 96, 3), 1, "other", "a model without a layer named pooling"),
    ],
)
def test_model_of_another_form_is_refused(tmp_path, read, shape, units, pooling, message):
    pixels = keras.Input(shape)
    maps = keras.layers.Rescaling(1.0, name=RESCALING)(pixels)
    maps = keras.layers.Conv2D(2, 3, use_bias=False, name=BASE)(maps)
    pooled = keras.layers.GlobalAveragePooling2D(name=pooling)(maps)
    model = keras.Model(pixels, keras.layers.Dense(units, name=HEAD)(pooled))
    save_model(model, MEANING, tmp_path / "other.keras")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "other.keras")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"negative_slope": 0.0', '"negative_slope": 0.1'),
        ('"dilation_rate": [1, 1]', '"dilation_rate": [2, 2]'),
        ('"axis": -1', '"axis": 1'),
    ],
)
def test_setting_that_only_keras_knows_is_refused_and_not_left_out(ours, tmp_path, old, new):
    path = changed(
        ours,
        tmp_path / "theirs.keras",
        "config.json",
        lambda data: data.decode().replace(old, new, 1).encode(),
    )
    with pytest.raises(InputError, match=f"with {old.split(':')[0][1:-1]}=.*, not "):
        load_classifier(path)


def test_layer_that_would_fill_the_memory_is_refused(ours, tmp_path):
    def change(config: bytes) -> bytes:
        wide = config.replace(
            b'"padding": [[0, 1], [0, 1]]', b'"padding": [[0, 90000], [0, 90000]]'
        )
        assert wide != config
        return wide

    path = changed(ours, tmp_path / "theirs.keras", "config.json", change)
    with pytest.raises(InputError, match=r"a layer with .* numbers for one image"):
        load_classifier(path)


def elsewhere(file: h5py.File, other: Path) -> None:
    """Names the bytes of another file as weights."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_external(str(other).encode(), 0, 4)
    space = h5py.h5s.create_simple((1,))
    h5py.h5d.create(file.id, b"weights", h5py.h5t.NATIVE_FLOAT, space, layout)


def virtual(file: h5py.File, other: Path) -> None:
    """Names an array in another file as weights."""
    layout = h5py.VirtualLayout((1,), "f4")
    layout[:] = h5py.VirtualSource(other, "weights", (1,))
    file.create_virtual_dataset("weights", layout)


def linked(file: h5py.File, other: Path) -> None:
    file["weights"] = h5py.ExternalLink(other, "weights")


def bomb(file: h5py.File, other: Path) -> None:
    """A terabyte of zeros, none of which is stored."""
    file.create_dataset("weights", (2**38,), "f4")


@READERS
@pytest.mark.parametrize("change", [elsewhere, virtual, linked, bomb])
def test_weights_that_are_not_in_the_file_are_refused(ours, tmp_path, read, change):
    def changed_weights(data: bytes) -> bytes:
        copy = io.BytesIO(data)
        with h5py.File(copy, "r+") as file:
            change(file, tmp_path / "other.h5")
        return copy.getvalue()

    path = changed(ours, tmp_path / "theirs.keras", WEIGHTS, changed_weights)
    with pytest.raises(InputError, match=r"weights: (a link|numbers that are not)"):
        read(path)


@READERS
def test_pickle_and_hdf5_are_not_opened_whatever_is_behind_them(saved, ours, tmp_path, read):
    """A zip may follow other bytes: one file can be ours for one reader, and HDF5 for another."""
    save_h5(saved("sigmoid")[1], tmp_path / "model.h5")
    with (tmp_path / "model.h5").open("ab") as file:
        file.write(ours.read_bytes())
    (tmp_path / "pickle.keras").write_bytes(pickle.dumps("anything"))
    for name in ("model.h5", "pickle.keras"):
        with pytest.raises(InputError, match=f"{name}: expected a model of this project"):
            read(tmp_path / name)


@READERS
def test_compressed_model_is_refused_before_it_is_read(tmp_path, read):
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", '{"labels": ["cat", "dog"]}')
        archive.writestr("config.json", bytes(10**6))
    with pytest.raises(InputError, match="compressed members"):
        read(tmp_path / "bomb.keras")
