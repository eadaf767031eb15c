#!/usr/bin/env bash
# Surprise: Keras' `model.export(path, format="onnx")` writes another file each time, even twice in one
# process with the same model: the SHA-256 and even the size differ.
# Guess: the bytes are equal, because nothing in a conversion is random. For a network of a few layers,
# they are.
# Seen with Keras 3.15.1, TensorFlow 2.21.0, tf2onnx 1.17.0 and onnx 1.20.1 for MobileNetV2: constants
# get other names and places in each file, also with PYTHONHASHSEED=0. Operators, their order and, in
# ONNX Runtime 1.27.0, every bit of the outputs are the same.
# Why it matters: a pipeline that tracks the exported file by its hash stores, pushes and deploys it
# again after each run, and a check of the hash says that a deployed model is another than the one
# that was measured. Record a hash of what is exported, and compare outputs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  keras==3.15.1 tensorflow-cpu==2.21.0 tf2onnx==1.17.0 onnx==1.20.1 onnxruntime==1.27.0
cd "$folder"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - 2> log <<'PYTHON' || { cat log; exit 1; }
import hashlib
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime

keras.utils.set_random_seed(0)
model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=3)
images = np.random.default_rng(0).normal(size=(4, 96, 96, 3)).astype(np.float32)
model.predict(images, verbose=0)
hashes, operators, outputs = set(), set(), set()
for name in ("first.onnx", "second.onnx", "third.onnx"):
    model.export(name, format="onnx", verbose=False)
    data = Path(name).read_bytes()
    session = onnxruntime.InferenceSession(name)
    (output,) = session.run(None, {session.get_inputs()[0].name: images})
    hashes.add(hashlib.sha256(data).hexdigest())
    operators.add(tuple(node.op_type for node in onnx.load(name).graph.node))
    outputs.add(output.tobytes())
    print(f"{name}: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}…")
print(f"different files: {len(hashes)}, lists of operators: {len(operators)}, outputs: {len(outputs)}")
assert len(hashes) > 1, "the files are equal now"
assert len(operators) == len(outputs) == 1
PYTHON
