"""Backbones from ONNX files, written in ONNX's own text format."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import refused
from networks import model_params

from pawprint.network.onnx_backbone import read_onnx
from pawprint.runtime.compiled import compile_for_cpu

SIZE = 32
# A picture of which no two colours and no two quarters are alike.
PIXELS = np.zeros((SIZE, SIZE, 3), np.uint8)
PIXELS[:16, :, 0], PIXELS[:, :8, 1], PIXELS[24:, 20:, 2] = 250, 180, 90
SCALED = (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
QUARTERS = SCALED.reshape(2, 16, 2, 16, 3).mean(axis=(1, 3))
FIRST = "float[N, 3, 32, 32] pixels"  # the colours before height and width
LAST = "float[N, 32, 32, 3] pixels"
MEANS = "means = GlobalAveragePool(pixels)\n features = Flatten(means)"
VECTOR = "float[N, 3] features"
QUARTERED = "AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (pixels)"
TOKENS = f"""maps = {QUARTERED}
  rows = Reshape(maps, shape)
  patches = Transpose <perm = [0, 2, 1]> (rows)
  features = Concat <axis = 1> (before, patches)"""
CLASS = "float[1, 1, 3] before = {1.0, 2.0, 3.0}, int64[3] shape = {1, 3, 4}"
REGISTERS = "float[1, 2, 3] before = {1.0, 2.0, 3.0, 9.0, 9.0, 9.0}, int64[3] shape = {1, 3, 4}"
ONE = "float[1, 3, 32, 32] pixels"


def write(path: Path, taken: str, given: str, body: str, constants: str = "") -> Path:
    constants = f"<{constants}>" if constants else ""
    text = f'<ir_version: 8, opset_import: ["": 17]>\n graph ({taken}) => ({given}) {constants} '
    onnx.save(onnx.parser.parse_model(f"{text}{{\n {body}\n}}"), path)
    return path


def features_of(path: Path, **params) -> np.ndarray:
    frozen = {"backbone": "onnx", "alpha": None, "fine_tune_at": None, "fine_tune_last": 0}
    model = model_params(**frozen, image_size=SIZE, onnx=params or None)
    (features,) = compile_for_cpu(read_onnx(path, model))(PIXELS)
    return features


FEATURES = {
    "vector": (FIRST, VECTOR, MEANS),
    "colours last": (LAST, VECTOR, "features = ReduceMean <axes = [1, 2], keepdims = 0> (pixels)"),
    "any size": ("float[N, 3, H, W] pixels", VECTOR, MEANS),
    "one image": (ONE, "float[1, 3] features", MEANS),
    "float16": ("float16[N, 3, 32, 32] pixels", "float16[N, 3] features", MEANS),
    "maps": (FIRST, "float[N, 3, 2, 2] features", f"features = {QUARTERED}"),
    "maps, colours last": (LAST, "float[N, 32, 32, 3] features", "features = Abs(pixels)"),
}


@pytest.mark.parametrize("kind", FEATURES)
def test_features_are_those_of_scaled_pixels_whatever_the_layout(kind, tmp_path):
    features = features_of(write(tmp_path / "a.onnx", *FEATURES[kind]))
    scaled = abs(SCALED) if kind == "maps, colours last" else SCALED
    assert features.dtype == np.float32
    assert features == pytest.approx(scaled.mean(axis=(0, 1)), abs=2e-3)


def test_mean_and_std_are_those_of_the_params(tmp_path):
    path = write(tmp_path / "a.onnx", *FEATURES["vector"])
    features = features_of(path, mean=[0.5, 0.0, 0.25], std=[0.5, 1.0, 2.0])
    expected = (PIXELS / 255 - [0.5, 0, 0.25]) / [0.5, 1, 2]
    assert features == pytest.approx(expected.mean(axis=(0, 1)), abs=1e-5)


@pytest.mark.parametrize("before", [CLASS, REGISTERS])
@pytest.mark.parametrize("tokens", [None, "class", "mean", "both"])
def test_tokens_are_the_class_token_the_mean_of_the_patches_or_both(before, tokens, tmp_path):
    path = write(tmp_path / "a.onnx", ONE, "float[1, T, 3] features", TOKENS, before)
    mean = QUARTERS.mean(axis=(0, 1)).tolist()
    expected = {"class": [1, 2, 3], "mean": mean, "both": [1, 2, 3, *mean]}
    assert features_of(path, tokens=tokens) == pytest.approx(expected[tokens or "class"], abs=1e-5)


def test_patches_alone_give_their_mean(tmp_path):
    body = TOKENS.replace("features = Concat <axis = 1> (before, patches)", "")
    body = body.replace("patches = Trans", "features = Trans")
    path = write(tmp_path / "a.onnx", ONE, "float[1, 4, 3] features", body, CLASS)
    assert features_of(path) == pytest.approx(QUARTERS.mean(axis=(0, 1)), abs=1e-5)
    with refused(f"{path}: model.onnx.tokens: expected mean"):
        features_of(path, tokens="class")


def test_tokens_of_another_output_are_one_line(tmp_path):
    for kind in ("vector", "maps"):
        path = write(tmp_path / "a.onnx", *FEATURES[kind])
        with refused(f"{path}: model.onnx.tokens: expected null"):
            features_of(path, tokens="class")


def test_output_is_chosen_by_its_name(tmp_path):
    body = f"{MEANS}\n other = Neg(features)"
    path = write(tmp_path / "a.onnx", FIRST, "float[N, 3] features, float[N, 3] other", body)
    for name, received in ((None, "null"), ("no", "no")):
        with refused(f"{path}: model.onnx.output: ", "features", "other", f"Received: {received}"):
            features_of(path, output=name)
    assert (features_of(path, output="other") == -features_of(path, output="features")).all()


def test_classifier_is_refused_unless_its_output_is_named(tmp_path):
    body = f"{MEANS}\n classes = Softmax(features)"
    path = write(tmp_path / "a.onnx", FIRST, "float[N, 3] classes", body)
    with refused(f"{path}: expected features. Received: classes"):
        features_of(path)
    assert features_of(path, output="classes").sum() == pytest.approx(1)
    body, weights = f"{MEANS}\n logits = MatMul(features, kernel)", np.zeros((3, 1000), np.float32)
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 17]> graph ({FIRST}, float[3, 1000] kernel) => '
        f"(float[N, 1000] logits) {{ {body} }}"
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "kernel"))
    del model.graph.input[1]
    onnx.save(model, path)
    with refused(f"{path}: expected features. Received: logits"):
        features_of(path)


UNUSABLE = {
    "two inputs": (
        f"{FIRST}, float[N, 3] more",
        "float[N, 3] features",
        "means = ReduceMean <axes = [2, 3], keepdims = 0> (pixels)\n features = Add(means, more)",
    ),
    "int8": ("int8[N, 3, 32, 32] pixels", "int8[N, 3, 32, 32] features", "features = Neg(pixels)"),
    "one colour": ("float[N, 1, 32, 32] pixels", "float[N, 1] features", MEANS),
    "another size": ("float[N, 3, 48, 48] pixels", "float[N, 3] features", MEANS),
    "no images": ("float[N, 3] pixels", "float[N, 3] features", "features = Abs(pixels)"),
    "unknown size": (
        FIRST,
        "float[M, 2] features",
        "where = NonZero(pixels)\n features = Cast <to = 1> (where)",
    ),
    "no such operation": (FIRST, "float[N, 3, 32, 32] features", "features = NoSuch(pixels)"),
    "five axes": (
        FIRST,
        "float[1, N, 3, 32, 32] features",
        "axes = Constant <value = int64[1] {0}> ()\n features = Unsqueeze(pixels, axes)",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_file_that_gives_no_features_of_images_is_one_line(kind, tmp_path):
    path = write(tmp_path / "a.onnx", *UNUSABLE[kind])
    with refused(f"{path}: expected "):
        features_of(path)


def test_damaged_file_and_one_with_weights_elsewhere_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # from which OpenVINO would read the weights
    path = write(tmp_path / "a.onnx", *FEATURES["vector"])
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"\0" * 100):
        path.write_bytes(damaged)
        with refused(f"{path}: expected an ONNX file"):
            features_of(path)
    write(path, ONE, "float[1, T, 3] features", TOKENS, CLASS)
    model = onnx.load(path)
    for weights in model.graph.initializer:
        array = onnx.numpy_helper.to_array(weights)
        weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
    elsewhere = {"save_as_external_data": True, "location": "weights", "size_threshold": 0}
    onnx.save(model, path, **elsewhere)
    with refused(f"{path}: expected an ONNX file"):
        features_of(path)
