"""Train an image classifier by transfer learning, as a DVC pipeline."""

import importlib.util
import sys

# Every script of the project imports this package first.
if not importlib.util.find_spec("pydantic"):
    raise SystemExit(
        f"{sys.executable}: expected the packages of requirements.txt. Received: no pydantic. "
        "Run `. .venv/bin/activate` first."
    )

# With this package OpenVINO reports every import to its makers, from a forked process.
sys.modules.setdefault("openvino_telemetry", None)
