"""Test backbones from ONNX files."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import refused
from onnx.reference import ReferenceEvaluator
from onnx_files import (
    CLASS,
    FIRST,
    LAST,
    MEANS,
    ONE,
    QUARTERED,
    SIZE,
    TOKENS,
    VECTOR,
    WITH_BLOCKS,
    params_of,
    write,
)

from pawprint.files import digest
from pawprint.network.extractor import load_extractor
from pawprint.network.onnx_backbone import read_onnx
from pawprint.params.model import Weights
from pawprint.runtime import compile_for_cpu

# A picture with different colours and different quarters.
PIXELS = np.zeros((SIZE, SIZE, 3), np.uint8)
PIXELS[:16, :, 0], PIXELS[:, :8, 1], PIXELS[24:, 20:, 2] = 250, 180, 90
SCALED = (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
QUARTERS = SCALED.reshape(2, 16, 2, 16, 3).mean(axis=(1, 3))
POOLED = MEANS.replace("features", "vector")
REGISTERS = "float[1, 2, 3] sign = {1.0, -2.0, 3.0, 9.0, 9.0, 9.0}, int64[3] shape = {1, 3, 4}"


def features_of(path: Path, **params) -> np.ndarray:
    network, _ = read_onnx(path, params_of(**params))
    (features,) = compile_for_cpu(network)(PIXELS)
    return features


FEATURES = {
    "vector": (FIRST, VECTOR, MEANS),
    "colours last": (LAST, VECTOR, "features = ReduceMean <axes = [1, 2], keepdims = 0> (pixels)"),
    "any size": ("float[N, 3, H, W] pixels", VECTOR, MEANS),
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


def test_colours_are_taken_in_the_order_of_the_network(tmp_path):
    path = write(tmp_path / "a.onnx", *FEATURES["vector"])
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.3, 0.5]
    features = features_of(path, channels="BGR", mean=mean, std=std)
    expected = (PIXELS[..., ::-1].mean(axis=(0, 1)) / 255 - mean) / std
    assert features == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("before", [CLASS, REGISTERS])
@pytest.mark.parametrize("tokens", [None, "class", "mean", "both"])
def test_tokens_are_the_class_token_the_mean_of_the_patches_or_both(before, tokens, tmp_path):
    path = write(tmp_path / "a.onnx", ONE, "float[1, T, 3] features", TOKENS, before)
    mean, first = QUARTERS.mean(axis=(0, 1)).tolist(), (QUARTERS[0, 0] * [1, -2, 3]).tolist()
    expected = {"class": first, "mean": mean, "both": [*first, *mean]}
    assert features_of(path, tokens=tokens) == pytest.approx(expected[tokens or "class"], abs=1e-5)


ALL_ENDS = ["b", "residual", "f", "dense", "split", "narrow", "sum", "i"]
ENDS = {
    "colours first": ALL_ENDS,
    "colours last": ALL_ENDS,
    "maps of colours last": ["b", "residual", "narrow"],
}


@pytest.mark.parametrize("kind", WITH_BLOCKS)
def test_blocks_end_where_branches_do_and_before_the_last_maps(kind, tmp_path):
    path = write(tmp_path / "a.onnx", *WITH_BLOCKS[kind])
    blocks, top = compile_for_cpu(read_onnx(path, params_of())[0])(PIXELS)
    (last,) = compile_for_cpu(read_onnx(path, params_of("last"))[0])(PIXELS)
    assert (top == last).all()
    model, ends = onnx.load(path), ENDS[kind]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ends)
    image = SCALED if WITH_BLOCKS[kind][0] == LAST else SCALED.transpose(2, 0, 1)
    _, *maps = ReferenceEvaluator(model).run(None, {"pixels": image[None].astype(np.float32)})
    expected = []
    for array in maps:
        axes = (1, 2) if array.shape[3] == 16 and kind == "maps of colours last" else (2, 3)
        expected += [array.mean(axis=axes)[0], array.std(axis=axes)[0]]
    assert blocks == pytest.approx(np.concatenate(expected), abs=2e-3)


PATCHES = """rows = Reshape(pixels, shape)
  turned = Transpose <perm = [0, 2, 1]> (rows)
  doubled = Add(turned, turned)
  features = Transpose <perm = [0, 2, 1]> (doubled)"""
TRANSFORMERS = {
    "colours first": (ONE, "float[1, T, 3] features", TOKENS, CLASS),
    "colours last": (LAST, "float[1, T, 3] features", PATCHES, "int64[3] shape = {-1, 1024, 3}"),
}


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_network_of_one_resolution_has_no_blocks(kind, tmp_path):
    path = write(tmp_path / "a.onnx", *TRANSFORMERS[kind])
    weights = Weights(source=str(path), sha256=digest(path))
    assert load_extractor(params_of(), weights).outputs == ["top"]
    with refused("model.features: expected auto or last", "onnx does not have any blocks"):
        load_extractor(params_of("blocks"), weights)


CHOSEN_ONLY = {
    "softmax": (VECTOR, "features = Softmax(vector)"),
    "few numbers": (VECTOR, "features = Identity(vector)"),
    "grey": (
        "float[N, 1, 2, 2] features",
        "scale = Constant <value = float[1, 3, 1, 1] {0.229, 0.224, 0.225}> ()\n"
        " mean = Constant <value = float[1, 3, 1, 1] {0.485, 0.456, 0.406}> ()\n"
        " scaled = Mul(pixels, scale)\n unscaled = Add(scaled, mean)\n"
        " grey = ReduceMean <axes = [1]> (unscaled)\n"
        " features = AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (grey)",
    ),
}


@pytest.mark.parametrize("kind", CHOSEN_ONLY)
def test_classifier_or_network_of_grey_images_is_refused_unless_its_output_is_named(kind, tmp_path):
    output, body = CHOSEN_ONLY[kind]
    path = write(tmp_path / "a.onnx", FIRST, output, f"{POOLED}\n {body}")
    with refused(f"{path}: expected features", "Received: ", "model.onnx.output to features"):
        features_of(path, output=None)
    assert len(features_of(path))


@pytest.mark.parametrize(("side", "is_exact"), [(8, False), (64, True)])
def test_antialiasing_that_openvino_ignores_is_refused(side, is_exact, tmp_path):
    resized = f"sizes = Constant <value = int64[4] {{1, 3, {side}, {side}}}> ()\n"
    resized += 'maps = Resize <antialias = 1, mode = "linear"> (pixels, , , sizes)\n'
    path = write(
        tmp_path / "a.onnx", ONE, VECTOR, resized + MEANS.replace("pixels", "maps"), opset=18
    )
    if is_exact:
        assert len(features_of(path)) == 3
        return
    with refused(f"{path}: expected no Resize", "[1,3,32,32] to [1,3,8,8]"):
        features_of(path)


UNUSABLE = {
    "two inputs": (
        f"{FIRST}, float[N, 3] more",
        VECTOR,
        "means = ReduceMean <axes = [2, 3], keepdims = 0> (pixels)\n features = Add(means, more)",
    ),
    "int8": ("int8[N, 3, 32, 32] pixels", "int8[N, 3, 32, 32] features", "features = Neg(pixels)"),
    "another size": ("float[N, 3, 48, 48] pixels", VECTOR, MEANS),
    "two images": ("float[2, 3, 32, 32] pixels", "float[2, 3] features", MEANS),
    "8-bit weights": (
        FIRST,
        VECTOR,
        f"{POOLED}\n float = Cast <to = 1> (weights)\n features = Mul(vector, float)",
        "int8[3] weights = {1, 2, 3}",
    ),
    "4-bit weights": (
        FIRST,
        VECTOR,
        f"{POOLED}\n float = Cast <to = 1> (weights)\n features = Mul(vector, float)",
        "uint4[3] weights = {33, 3}",  # two numbers per byte
        21,
    ),
    "weights that are not numbers": (
        FIRST,
        "float[N, 3, 32, 32] features",
        "features = Clip(pixels, least)",
        "float least = {nan}",
    ),
    "no such operation": (FIRST, "float[N, 3, 32, 32] features", "features = NoSuch(pixels)"),
    "the same for all images": (FIRST, VECTOR, f"{POOLED}\n features = Sub(vector, vector)"),
    "not finite": (FIRST, VECTOR, f"{POOLED}\n features = Log(vector)"),
    "random": (
        FIRST,
        VECTOR,
        f"{POOLED}\n random = RandomNormal <shape = [1, 3]> ()\n features = Add(vector, random)",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_file_that_gives_no_features_of_images_is_one_line(kind, tmp_path):
    path = write(tmp_path / "a.onnx", *UNUSABLE[kind])
    with refused(f"{path}: expected "):
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
    path = write(tmp_path / "a.onnx", ONE, "float[1, T, 3] features", TOKENS, CLASS)
    model, numbers = onnx.load(path), np.float32([1, 2, 3])
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "sign")
    weights.ClearField("float_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    Path("weights").write_bytes(numbers.tobytes())
    offset = 0 if location == "weights" else numbers.ctypes.data
    place = {"location": location, "offset": offset, "length": 12}
    for key, value in place.items():
        weights.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    with refused(f"{path}: expected weights in the file"):
        features_of(path)
