#!/usr/bin/env bash
# Surprise: onnx's version converter changes what a classifier computes. From opset 10 to 11 it keeps
# the attributes of a linear Resize, whose default has changed: opset 10 scales from the corner of the
# image (`asymmetric`), opset 11 from the centres of pixels (`half_pixel`).
# Guess: the converter writes `coordinate_transformation_mode="asymmetric"`, and the values stay.
# Seen with onnx 1.20.0 and ONNX Runtime 1.23.2: the graph passes the checker and has the same shapes,
# and values of random input change by up to 1.3 times their standard deviation. The old Upsample of opset 9 changes in the same way. Setting the attribute by
# hand restores all values.
# Why it matters: raising the opset of an old network, for a runtime that asks for a newer one, moves
# the photo or the feature maps under a network that was trained without this.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  onnx==1.20.0 onnxruntime==1.23.2 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.version_converter import convert_version


def network(operator, opset):
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    graph = helper.make_graph(
        [helper.make_node(operator, ["image", "scales"], ["resized"], mode="linear")],
        "resize",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("resized", TensorProto.FLOAT, [1, 3, 16, 16])],
        [scales],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def values(model):
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"image": image})[0]


image = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
for operator, opset in (("Resize", 10), ("Upsample", 9)):
    before = values(network(operator, opset))
    converted = convert_version(network(operator, opset), 13)
    (resize,) = [node for node in converted.graph.node if node.op_type == "Resize"]
    moved = np.abs(values(converted) - before).max()
    for attribute in list(resize.attribute):
        if attribute.name == "coordinate_transformation_mode":
            resize.attribute.remove(attribute)
    mode = helper.make_attribute("coordinate_transformation_mode", "asymmetric")
    resize.attribute.append(mode)
    mended = np.abs(values(converted) - before).max()
    print(f"{operator}, opset {opset} to 13: values change by up to {moved:.2f}", end=", ")
    print(f"and with `asymmetric` by {mended:.2f}")
    assert moved > 0.5, "the converter keeps the values now"
    assert mended < 1e-5
PYTHON
