#!/usr/bin/env bash
# Surprise: ONEDNN_MAX_CPU_ISA=AVX2, which used to limit all that OpenVINO runs on a CPU, now limits
# only oneDNN's kernels. OpenVINO's own, such as the mean of feature maps, still use AVX-512, and one
# network then mixes both.
# Guess: with this variable, a network computes as on a computer without AVX-512.
# Seen with OpenVINO 2026.3.0, where it does; with 2026.4.0 and 2026.4.1, it does not. In 2026.4.1,
# OV_CPU_MAX_ISA=AVX2 limits the other half, and both are needed; in 2026.4.0, nothing does.
# Source: https://github.com/openvinotoolkit/openvino/pull/38257
# Why it matters: whoever sets the variable to get the same features on two computers, or to reproduce
# what a customer's laptop computes, gets other last bits, and thresholds that were chosen on one
# computer meet scores of another. Look at the kernels that a network really uses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > kernels.py <<'PYTHON'
import numpy as np
import openvino

operations = openvino.opset15
maps = operations.parameter([1, 64, 8, 8], np.float32)
filters = operations.constant(np.ones((64, 64, 3, 3), np.float32))
layer = operations.convolution(maps, filters, *[[1, 1]] * 4)
means = operations.reduce_mean(layer, operations.constant([2, 3]))
network = openvino.Model([means], [maps])
compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
information = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
kernel_of = {each["layerType"].value: each["primitiveType"].value for each in information}
print(kernel_of["Convolution"], kernel_of["Reduce"])
PYTHON
# A computer without AVX-512 shows the same one step lower.
before=avx512 limit=AVX2
grep -q avx512f /proc/cpuinfo || { before=avx2 limit=SSE41; }
for version in 2026.3.0 2026.4.0 2026.4.1; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --disable-pip-version-check openvino==$version
  one=$(ONEDNN_MAX_CPU_ISA=$limit "$version/bin/python" kernels.py)
  both=$(ONEDNN_MAX_CPU_ISA=$limit OV_CPU_MAX_ISA=$limit "$version/bin/python" kernels.py)
  echo "OpenVINO $version, limit $limit: convolution and mean with one variable: $one; with both: $both"
  case $version in
    2026.3.0) [[ $one != *"$before"* ]] ;;
    2026.4.0) [[ $one == *"jit_$before"* && $both == *"jit_$before"* ]] ;;
    2026.4.1) [[ $one == *"jit_$before"* && $both != *"$before"* ]] ;;
  esac
done
