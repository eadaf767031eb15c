#!/usr/bin/env bash
# Surprise: Keras' `model.export(path, format="onnx")` returns normally and writes a file although the
# network has an operator that ONNX lacks. The operator is copied under TensorFlow's name, and no
# runtime loads the file. Two layers of today's classifiers suffice: an exact GELU, the default of
# `activation="gelu"` (Erfc), and a convolution with groups (StatefulPartitionedCall).
# Guess: the export raises an error, or writes an equivalent in standard operators: ONNX has had Erf
# since opset 9, and grouped convolutions since opset 1.
# Seen with Keras 3.15.1, TensorFlow 2.21.0, tf2onnx 1.17.0, onnx 1.20.1 and ONNX Runtime 1.27.0: one
# logged line says "is not supported", and ONNX Runtime stops with INVALID_GRAPH. GELU's approximation
# by tanh and depthwise convolutions are exported correctly.
# Why it matters: a script that exports ConvNeXt and checks the exit status or the file deploys a
# network that nobody can load. Load the file, and compare its outputs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  keras==3.15.1 tensorflow-cpu==2.21.0 tf2onnx==1.17.0 onnx==1.20.1 onnxruntime==1.27.0
cd "$folder"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - 2> log <<'PYTHON' || { cat log; exit 1; }
import keras
import numpy as np
import onnx
import onnxruntime

image = np.random.default_rng(0).normal(size=(1, 8, 8, 6)).astype(np.float32)


def gelu_by_tanh(maps):
    return keras.ops.gelu(maps, approximate=True)


def loads(name, layer):
    """Export a network of one layer and return whether ONNX Runtime computes its outputs."""
    model = keras.Sequential([keras.Input(image.shape[1:]), layer])
    expected = model.predict(image, verbose=0)
    model.export("network.onnx", format="onnx", verbose=False)
    operators = sorted({node.op_type for node in onnx.load("network.onnx").graph.node})
    try:
        session = onnxruntime.InferenceSession("network.onnx")
    except Exception as error:
        print(f"{name}: written with {operators}; {str(error)[:45].strip()}")
        return False
    (output,) = session.run(None, {session.get_inputs()[0].name: image})
    difference = np.abs(output - expected).max()
    print(f"{name}: written with {operators}; outputs differ by {difference:.1e}")
    return difference < 1e-4


convolution = keras.layers.Conv2D
assert not loads("GELU", convolution(6, 3, activation="gelu")), "an exact GELU is exported now"
assert not loads("groups", convolution(6, 3, groups=3)), "groups are exported now"
assert loads("GELU by tanh", convolution(6, 3, activation=gelu_by_tanh))
assert loads("depthwise", keras.layers.DepthwiseConv2D(3))
PYTHON
