"""Test backbones from ONNX files."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="install the `export` extra")

import onnx
from conftest import refused
from onnx_files import IMAGES, MEANS, SIZE, VECTOR, params_of, write

from pawprint.base.files import digest
from pawprint.base.runtime import compile_for_cpu, write_network
from pawprint.network.extractor import load_extractor, read_onnx
from pawprint.pipeline.params.model import Weights

# A picture with different colours and different quarters.
PIXELS = np.zeros((SIZE, SIZE, 3), np.uint8)
PIXELS[:16, :, 0], PIXELS[:, :8, 1], PIXELS[24:, 20:, 2] = 250, 180, 90
SCALED = (PIXELS / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.5]
POOLED = MEANS.replace("features", "vector")


def features_of(path: Path, **changes) -> np.ndarray:
    (features,) = compile_for_cpu(read_onnx(path, params_of(**changes)))(PIXELS)
    return features


QUARTERED = "features = AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (pixels)"
FEATURES = {
    "vector": (IMAGES, VECTOR, MEANS),
    "one image": ("float[1, 3, 32, 32] pixels", "float[1, 3] features", MEANS),
    "any size": ("float[N, 3, H, W] pixels", VECTOR, MEANS),
    "float16": ("float16[N, 3, 32, 32] pixels", "float16[N, 3] features", MEANS),
    "maps": (IMAGES, "float[N, 3, 2, 2] features", QUARTERED),
    "an inner tensor": (IMAGES, "float[N, 3] more", f"{MEANS}\n more = Neg(features)"),
}


@pytest.mark.parametrize("kind", FEATURES)
def test_features_are_the_vectors_or_the_means_of_the_maps_of_scaled_pixels(kind, tmp_path):
    features = features_of(write(tmp_path / "a.onnx", *FEATURES[kind]))
    assert features.dtype == np.float32
    assert features == pytest.approx(SCALED.mean(axis=(0, 1)), abs=5e-3)


def test_file_has_no_blocks_and_its_network_does_not_depend_on_its_place(tmp_path):
    contents = set()
    for name in ("a.onnx", "moved.onnx"):
        path = write(tmp_path / name, *FEATURES["maps"])
        write_network(read_onnx(path, params_of()), tmp_path / "network.xml", ["top"])
        contents.add((tmp_path / "network.xml").read_bytes())
    assert len(contents) == 1
    weights = Weights(source=str(path), sha256=digest(path))
    assert load_extractor(params_of(), weights).outputs == ["top"]
    with refused("model.features: expected auto or last", "onnx does not have any blocks"):
        load_extractor(params_of("blocks"), weights)


UNUSABLE = {
    "two inputs": (
        f"{IMAGES}, float[N, 3] more",
        VECTOR,
        "means = ReduceMean <axes = [2, 3], keepdims = 0> (pixels)\n features = Add(means, more)",
    ),
    "colours last": (
        "float[N, 32, 32, 3] pixels",
        VECTOR,
        "features = ReduceMean <axes = [1, 2], keepdims = 0> (pixels)",
    ),
    "int8": ("int8[N, 3, 32, 32] pixels", "int8[N, 3, 32, 32] features", "features = Neg(pixels)"),
    "another size": ("float[N, 3, 48, 48] pixels", VECTOR, MEANS),
    "two images": ("float[2, 3, 32, 32] pixels", "float[2, 3] features", MEANS),
    "tokens": (
        IMAGES,
        "float[N, 3, 1024] features",
        "features = Reshape(pixels, shape)",
        "int64[3] shape = {-1, 3, 1024}",
    ),
    "classes": (IMAGES, "int64[N] features", f"{POOLED}\n features = ArgMax(vector)"),
    "another output": (IMAGES, "float[N, 3] vector", POOLED),
    "no such operation": (IMAGES, "float[N, 3, 32, 32] features", "features = NoSuch(pixels)"),
    "the same for all images": (IMAGES, VECTOR, f"{POOLED}\n features = Sub(vector, vector)"),
    "not finite": (IMAGES, VECTOR, f"{POOLED}\n features = Log(vector)"),
    "random": (
        IMAGES,
        VECTOR,
        f"{POOLED}\n random = RandomNormal <shape = [1, 3]> ()\n features = Add(vector, random)",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_file_that_gives_no_features_of_images_is_one_line(kind, tmp_path):
    path = write(tmp_path / "a.onnx", *UNUSABLE[kind])
    with refused(f"{path}: ", "expected "):
        features_of(path)


def test_damaged_file_is_one_line(tmp_path):
    path = write(tmp_path / "a.onnx", *FEATURES["vector"])
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with refused(f"{path}: expected an ONNX file"):
            features_of(path)


@pytest.mark.parametrize("location", ["weights", "*/_ORT_MEM_ADDR_/*"])
def test_weights_elsewhere_are_not_read(tmp_path, monkeypatch, location):
    """Weights may be neither in another file nor at a memory address, which OpenVINO would read."""
    monkeypatch.chdir(tmp_path)
    body = f"{POOLED}\n features = Mul(vector, sign)"
    path = write(tmp_path / "a.onnx", IMAGES, VECTOR, body, "float[1, 3] sign = {1.0, -2.0, 3.0}")
    model, numbers = onnx.load(path), np.float32([1, 2, 3])
    (weights,) = model.graph.initializer
    weights.ClearField("float_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    Path("weights").write_bytes(numbers.tobytes())
    offset = 0 if location == "weights" else numbers.ctypes.data
    place = {"location": location, "offset": offset, "length": 12}
    for key, value in place.items():
        weights.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    with refused(f"{path}: expected an ONNX file with its weights"):
        features_of(path)
