"""Test EfficientNet-Lite: its weights, and the networks built from them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino
import pytest
from conftest import PROJECT, overlay, refused
from networks import model_params, pixels, weights_of

from pawprint.base import paths
from pawprint.base.files import digest
from pawprint.base.runtime import compile_for_cpu, output_shapes, read_network, write_network
from pawprint.commands.export_formats import keras_model
from pawprint.model.served_model import join
from pawprint.network.efficientnet_lite import VARIANTS, packaged_file
from pawprint.network.extractor import load_extractor, needs_keras
from pawprint.network.hardware import keras
from pawprint.network.heads import OUTPUTS, HeadWeights, on_features
from pawprint.network.keras_backbone import KerasNetwork, application, build_extractor
from pawprint.network.keras_model import (
    cut_index,
    first_trained,
    load_model,
    preprocessing,
    with_blocks,
)
from pawprint.network.weights_file import arrays_sha256
from pawprint.pipeline.params.model import PACKAGES, Head, Model, Weights, load_params
from stages import backbone as stage

NAME, SIZE = "EfficientNetLite0", 64


def test_features_are_those_of_another_conversion(mirror):
    """Differences come only from the order of sums."""
    compiled = openvino.Core().compile_model(
        mirror / "efficientnet_lite0.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    images = pixels(2, 224).astype(np.float32)
    network = application(NAME, None, 224, "imagenet")
    maps = network(preprocessing(NAME)(images), training=False).numpy()
    expected = compiled(((images - 127) / 128).transpose(0, 3, 1, 2))[0]
    assert maps.mean(axis=(1, 2)) == pytest.approx(expected, abs=1e-4)


def frozen(name: str = NAME, **changes: object) -> Model:
    values = {"backbone": name, "alpha": None, "image_size": SIZE, "fine_tune_at": None}
    return model_params(**values | changes)


PUBLISHED = Weights(source="imagenet", sha256=None)


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Build networks that compute in float64: in float32, Keras differs between processors."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("name", "size", "pooling", "features"),
    [
        (NAME, 32, "average", "auto"),  # the last maps are a single number per channel
        ("EfficientNetLite1", 97, "flatten", "auto"),
        ("EfficientNetLite2", 64, "average", "last"),
        pytest.param(NAME, 224, "flatten", "auto", marks=pytest.mark.extended),
        pytest.param("EfficientNetLite1", 240, "average", "auto", marks=pytest.mark.extended),
        pytest.param("EfficientNetLite2", 260, "average", "auto", marks=pytest.mark.extended),
    ],
)
def test_features_of_frozen_layers_are_those_of_keras(name, size, pooling, features):
    """The weights have the same order as when they are built from the package without Keras."""
    model = frozen(name, image_size=size, pooling=pooling, features=features)
    extractor = load_extractor(model, PUBLISHED)
    assert extractor.backbone is None
    backbone = application(name, None, size, "imagenet")
    assert extractor.weights_sha256 == arrays_sha256(backbone.get_weights())
    with in_float64():
        exact = application(name, None, size, "imagenet")
        whole = exact if features == "last" else with_blocks(exact)
        built, outputs = build_extractor(name, whole, pooling)
    assert extractor.outputs == outputs
    images = pixels(2, size)
    images[1] //= 4
    run = compile_for_cpu(extractor.network)
    expected = keras.tree.flatten(built(images.astype(np.float64), training=False))
    for number, image in enumerate(images):
        for found, of_keras in zip(run(image), expected, strict=True):
            row = of_keras[number].numpy()
            assert np.abs(found - row).max() < 1e-5 * np.abs(row).max()


def test_weights_are_those_of_the_package_wherever_its_file_lies_and_give_the_same_bytes(tmp_path):
    path, of_keras = tmp_path / "elsewhere.bin", tmp_path / "saved.weights.h5"
    path.symlink_to(packaged_file(NAME))
    network = KerasNetwork(frozen(), PUBLISHED)
    network.backbone.save_weights(of_keras)
    of_file, saved = (Weights(source=str(each), sha256=digest(each)) for each in (path, of_keras))
    for weights in (of_file, saved):
        assert KerasNetwork(frozen(), weights).weights_sha256 == network.weights_sha256
    written = set()
    for weights in (PUBLISHED, of_file):
        extractor = load_extractor(frozen(), weights)
        write_network(extractor.network, tmp_path / "network.xml", extractor.outputs)
        written.add(tuple((tmp_path / f"network.{name}").read_bytes() for name in ("xml", "bin")))
    assert len(written) == 1
    with refused("expected weights for EfficientNetLite0"):
        application(NAME, None, SIZE, packaged_file("EfficientNetLite1"))


def test_wrong_weights_are_refused_also_without_keras(tmp_path):
    model = frozen()
    with refused("weights.sha256: expected the hash of the weights imagenet", "f" * 64):
        load_extractor(model, Weights(source="imagenet", sha256="f" * 64))
    path = packaged_file("EfficientNetLite1")
    with refused("weights.sha256: expected the hash of", VARIANTS["EfficientNetLite1"].sha256):
        load_extractor(model, Weights(source=str(path), sha256=None))
    other = Weights(source=str(path), sha256=VARIANTS["EfficientNetLite1"].sha256)
    with refused(f"{path.name}: expected weights for EfficientNetLite0"):
        load_extractor(model, other)
    pickled = tmp_path / "weights.pth"
    pickled.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")  # runs a command when it is unpickled
    with refused("weights.pth: expected weights for EfficientNetLite0"):
        load_extractor(model, Weights(source=str(pickled), sha256=digest(pickled)))


@pytest.mark.parametrize(
    ("source", "at", "is_needed"),
    [
        ("imagenet", None, False),
        ("weights.pth", None, False),
        ("imagenet", "auto", True),
        ("imagenet", 0, True),
        ("none", None, True),
        ("saved.weights.h5", None, True),
    ],
)
def test_keras_is_needed_to_fine_tune_and_for_weights_that_it_reads_or_draws(source, at, is_needed):
    model = frozen(fine_tune_at=at)
    assert needs_keras(model, Weights(source=source, sha256=None)) == is_needed


def test_package_with_another_file_is_refused(tmp_path, monkeypatch):
    """Nothing in the file is read."""
    file = packaged_file(NAME).name
    (tmp_path / file).write_bytes(packaged_file(NAME).read_bytes()[:-1] + b"\1")
    info = tmp_path / f"{PACKAGES[NAME].replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {PACKAGES[NAME]}\nVersion: 0.1.0\n")
    (info / "RECORD").write_text(f"{file},,\n")
    monkeypatch.syspath_prepend(tmp_path)
    with refused(f"{tmp_path / file}: expected weights for {NAME}", VARIANTS[NAME].sha256):
        KerasNetwork(frozen(), PUBLISHED)


def write_params(fine_tune_at: str) -> None:
    """Write the params of a project to the current folder."""
    model = f"{{backbone: {NAME}, alpha: null, image_size: {SIZE}, fine_tune_at: {fine_tune_at}}}"
    changes = f"{{weights: {{source: imagenet, sha256: null}}, model: {model}}}"
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(overlay(text, changes), encoding="utf-8")


def test_stage_writes_the_backbone_and_its_extractor(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_params("auto")
    stage.main()
    printed = capsys.readouterr().out
    backbone = load_model(paths.BACKBONE)
    for at in ("auto", "block6a_expand_conv", "block6a_dwconv"):
        params = Model.load().model_copy(update={"fine_tune_at": at})
        cut = backbone.operations[cut_index(backbone, first_trained(params, backbone))]
        assert cut.name == ("block6a_expand_activation" if "dw" in at else "block5c_add")
    assert paths.EXTRACTOR.exists() and "sha256" not in printed  # the code knows the file


def test_frozen_backbone_is_built_for_an_export_from_the_package(tmp_path, monkeypatch, capsys):
    """Keras then computes the same as the stages computed without it."""
    monkeypatch.chdir(tmp_path)
    write_params("null")
    stage.main()
    found = {path.relative_to(tmp_path) for path in tmp_path.rglob("models/*/*.*")}
    assert found == {paths.NO_BACKBONE, paths.EXTRACTOR, paths.EXTRACTOR.with_suffix(".bin")}
    extractor = read_network(paths.EXTRACTOR)
    shapes = output_shapes(extractor)
    features = shapes["blocks"][0] + shapes["top"][0]
    weights_of(Head.load(), features, 2, has_blocks=True).write(paths.HEAD)
    head = HeadWeights.read(paths.HEAD)
    network, kinds = on_features(shapes, head, Head.load())
    write_network(network, Path("network.xml"), OUTPUTS, kinds)
    run = compile_for_cpu(join(extractor, read_network(Path("network.xml"))))
    image = pixels(1, SIZE)
    (logits,) = run(image[0])[0]
    model = keras_model(Path(), load_params())
    (probability,) = model.predict(image.astype(np.float32), verbose=0)[0]
    assert probability == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)
    paths.NO_BACKBONE.unlink()
    with refused("no such model", "dvc pull"):
        keras_model(Path(), load_params())
