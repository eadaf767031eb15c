"""Networks that OpenVINO runs on the CPU, three times as fast as TensorFlow does."""

import sys

# With this package OpenVINO reports every import to its makers, from a forked process.
sys.modules.setdefault("openvino_telemetry", None)
