"""Backbones in ONNX files, written in ONNX's text format."""

import re
from pathlib import Path

import numpy as np
import onnx
from networks import model_params

from pawprint.params.model import Model

SIZE = 32
MEANS = "means = GlobalAveragePool(pixels)\n features = Flatten(means)"
FIRST = "float[N, 3, 32, 32] pixels"  # with the colour channels before height and width
LAST = "float[N, 32, 32, 3] pixels"
VECTOR = "float[N, 3] features"
ONE = "float[1, 3, 32, 32] pixels"
QUARTERED = "AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (pixels)"
TOKENS = f"""maps = {QUARTERED}
  rows = Reshape(maps, shape)
  patches = Transpose <perm = [0, 2, 1]> (rows)
  zero = Constant <value = int64[1] {{0}}> ()
  first = Gather <axis = 1> (patches, zero)
  before = Mul(first, sign)
  features = Concat <axis = 1> (before, patches)"""
# The class token is the first patch with changed signs.
CLASS = "float[1, 1, 3] sign = {1.0, -2.0, 3.0}, int64[3] shape = {1, 3, 4}"

# Blocks as in ResNet, DenseNet and ShuffleNet; a SiLU of two operations, which is not a block; and
# narrow maps before the last ones.
CONVOLUTIONS = """
  a = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (%s, w_4_3_3_3)
  b = Relu(a)
  c = Conv <pads = [1, 1, 1, 1]> (b, w_4_4_3_3)
  residual = Add(b, c)
  d = Relu(residual)
  e = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (d)
  f = Conv <pads = [1, 1, 1, 1]> (e, w_6_4_3_3)
  h = Conv <pads = [1, 1, 1, 1]> (f, w_2_6_3_3)
  dense = Concat <axis = 1> (f, h)
  both = Relu(dense)
  left, right = Split <axis = 1> (both)
  m = Conv(left, w_4_4_1_1)
  split = Concat <axis = 1> (m, right)
  gate = Sigmoid(split)
  silu = Mul(split, gate)
  narrow = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (silu, w_5_8_3_3)
  n = Conv <pads = [1, 1, 1, 1]> (narrow, w_5_5_3_3)
  sum = Add(narrow, n)
  i = Conv(sum, w_4_5_1_1)
  j = Conv(i, w_40_4_1_1)
  last = Relu(j)
  means = GlobalAveragePool(last)
  features = Flatten(means)"""
TURNED = "turned = Transpose <perm = [0, 3, 1, 2]> (pixels)"
# A ConvNeXt block with channels last, where the number of channels equals the number of rows.
CHANNELS_LAST = f"""{TURNED}
  a = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (turned, w_16_3_3_3)
  b = Transpose <perm = [0, 2, 3, 1]> (a)
  c = LayerNormalization (b, w_16)
  d = MatMul(c, w_16_8)
  e = Tanh(d)
  f = MatMul(e, w_8_16)
  residual = Add(b, f)
  g = LayerNormalization (residual, w_16)
  h = Transpose <perm = [0, 3, 1, 2]> (g)
  narrow = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (h, w_8_16_3_3)
  last = Conv(narrow, w_40_8_1_1)
  means = GlobalAveragePool(last)
  features = Flatten(means)"""
WIDE = "float[N, 40] features"
WITH_BLOCKS = {
    "colours first": (FIRST, WIDE, CONVOLUTIONS % "pixels"),
    "colours last": (LAST, WIDE, f"{TURNED}{CONVOLUTIONS % 'turned'}"),
    "maps of colours last": (LAST, WIDE, CHANNELS_LAST),
}


def write(
    path: Path, inputs: str, outputs: str, body: str, constants: str = "", opset: int = 17
) -> Path:
    """Write a network. A name such as `w_4_3` in its operations refers to weights of this shape."""
    constants = f"<{constants}>" if constants else ""
    text = f'<ir_version: 8, opset_import: ["": {opset}]>\n'
    text += f" graph ({inputs}) => ({outputs}) {constants} "
    model = onnx.parser.parse_model(f"{text}{{\n {body}\n}}")
    random = np.random.default_rng(0)
    for name in sorted(set(re.findall(r"w(?:_\d+)+", body))):
        shape = [int(length) for length in name.split("_")[1:]]
        array = random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.save(model, path)
    return path


def params_of(features: str = "auto", **params) -> Model:
    """Return params for a file whose output is called `features`, unless `output` is another."""
    params = {"output": "features"} | params
    frozen = {"backbone": "onnx", "alpha": None, "fine_tune_at": None, "features": features}
    return model_params(**frozen, image_size=SIZE, onnx=params)
