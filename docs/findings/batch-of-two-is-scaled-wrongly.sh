#!/usr/bin/env bash
# Surprise: OpenVINO scales averaged feature maps by the wrong channels' factors as soon as a batch has
# two images. Nearly all features of a batch are then wrong, with errors as large as the features
# themselves, and no message says so.
# Guess: a batch gives what its images give one by one, up to the last bits.
# Seen with OpenVINO 2026.4.1 (also 2026.2.0) on a CPU, for `maps.flatten(2).mean(-1)` and a batch
# normalisation, as PyTorch exports them (Reshape, ReduceMean over the last axis, Mul, Add): OpenVINO
# joins the mean and the scaling. With one image, for the mean over two axes (`mean((2, 3))`), and in
# ONNX Runtime 1.27.0, all features are right.
# Why it matters: a network is checked with one image, and then serves batches. Compare a batch with
# its images, one by one, before a model is deployed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  openvino==2026.4.1 onnx==1.20.1 onnxruntime==1.27.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 30
rng = np.random.default_rng(0)
constants = {
    "sizes": np.array([0, CHANNELS, -1]),
    "scale": rng.normal(size=CHANNELS).astype(np.float32),
    "shift": rng.normal(size=CHANNELS).astype(np.float32),
}


def features(axes: list[int], path: str) -> None:
    """Write a network from maps to normalised means: over one axis, or over height and width."""
    nodes = [
        helper.make_node("Reshape", ["maps", "sizes"], ["places"]),
        helper.make_node(
            "ReduceMean", ["places" if axes == [2] else "maps"], ["means"], axes=axes, keepdims=0
        ),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["features"]),
    ]
    if axes != [2]:
        del nodes[0]
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["batch", CHANNELS, 7, 7])
    output = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", CHANNELS])
    weights = [
        numpy_helper.from_array(array, name)
        for name, array in constants.items()
        if any(name in node.input for node in nodes)
    ]
    graph = helper.make_graph(nodes, "features", [maps], [output], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def wrong(run, maps: np.ndarray, axes: list[int]) -> int:
    """Count features that differ by more than rounding from what the network defines."""
    right = maps.mean((2, 3), dtype=np.float64) * constants["scale"] + constants["shift"]
    return int((abs(run(maps) - right) > 1e-3).sum())


counts = {}
for axes in ([2], [2, 3]):
    path = f"over_{len(axes)}.onnx"
    features(axes, path)
    session = onnxruntime.InferenceSession(path)
    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for batch in (1, 2, 8):
        maps = rng.random((batch, CHANNELS, 7, 7), np.float32)
        counts["OpenVINO", len(axes), batch] = wrong(lambda maps: compiled(maps)[0], maps, axes)
        counts["ONNX Runtime", len(axes), batch] = wrong(
            lambda maps: session.run(None, {"maps": maps})[0], maps, axes
        )
for (runtime, axes, batch), count in counts.items():
    print(f"{runtime}, mean over {axes}: batch of {batch}: {count} of {batch * CHANNELS} are wrong")
bad = {key for key, count in counts.items() if count}
assert bad == {("OpenVINO", 1, 2), ("OpenVINO", 1, 8)}, bad
PYTHON
