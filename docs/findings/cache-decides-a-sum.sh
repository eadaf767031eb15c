#!/usr/bin/env bash
# Surprise: the last bits of a linear layer in OpenVINO depend on the size of the processor's L2 cache,
# also with equal instructions, one thread and float32.
# Guess: two processors with AVX2 run the same kernel and add in the same order, as they do for
# convolutions.
# Seen with OpenVINO 2026.4.1, on emulated processors with AVX2 and 512 kB (EPYC-Rome) or 4 MB
# (Haswell) of L2 cache: a MatMul of 1,280 features gives other bits, because the kernel splits its sum
# by what the cache holds. A 1x1 convolution with the same weights gives the same bits. Two real
# computers differed in the same way.
# Why it matters: logits that two colleagues compute from the same features and weights differ, so do
# the hashes of a pipeline, and a photo near a threshold gets another label.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openvino==2026.4.1
if ! qemu=$(command -v qemu-x86_64); then
  apt-get download --quiet=2 qemu-user-static  # from Debian or Ubuntu, without installing it
  dpkg-deb --extract qemu-user-static_*.deb .
  qemu=usr/bin/qemu-x86_64-static
fi
cat > layers.py <<'PYTHON'
import hashlib

import numpy as np
import openvino

operations = openvino.opset15
rng = np.random.default_rng(0)
features, weights = rng.normal(size=(1, 1280)), rng.normal(size=(10, 1280))
features, weights = features.astype(np.float32), weights.astype(np.float32)
rows = operations.parameter([1, 1280], np.float32)
product = operations.matmul(rows, operations.constant(weights), False, True)
filters = operations.constant(weights[:, :, None, None])
maps = operations.unsqueeze(rows, [2, 3])
convolution = operations.convolution(maps, filters, [1, 1], [0, 0], [0, 0], [1, 1])
for name, layer in (("product", product), ("convolution", convolution)):
    network = openvino.Model([layer], [rows])
    compiled = openvino.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": 1})
    logits = compiled(features)[0].ravel()
    print(name, hashlib.sha256(logits.tobytes()).hexdigest()[:12], logits[0])
PYTHON
for processor in EPYC-Rome Haswell; do
  "$qemu" -cpu $processor venv/bin/python layers.py 2> log > $processor || { cat log; exit 1; }
  sed "s/^/$processor: /" $processor
done
[ "$(grep product EPYC-Rome)" != "$(grep product Haswell)" ]
[ "$(grep convolution EPYC-Rome)" = "$(grep convolution Haswell)" ]
