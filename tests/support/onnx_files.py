"""Backbones in ONNX files, written in ONNX's text format."""

from pathlib import Path

import onnx
from networks import model_params

from pawprint.pipeline.params.model import Model

SIZE = 32
IMAGES = "float[N, 3, 32, 32] pixels"
VECTOR = "float[N, 3] features"
MEANS = "means = GlobalAveragePool(pixels)\n features = Flatten(means)"


def write(path: Path, inputs: str, outputs: str, body: str, constants: str = "") -> Path:
    """Write a network."""
    constants = f"<{constants}>" if constants else ""
    text = '<ir_version: 8, opset_import: ["": 17]>\n'
    text += f" graph ({inputs}) => ({outputs}) {constants} "
    onnx.save(onnx.parser.parse_model(f"{text}{{\n {body}\n}}"), path)
    return path


def params_of(features: str = "auto", **changes) -> Model:
    """Return params for a file whose output is called `features`, unless `output` is another."""
    params = {"output": "features", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.5]}
    frozen = {"backbone": "onnx", "alpha": None, "fine_tune_at": None, "features": features}
    return model_params(**frozen, image_size=SIZE, onnx=params | changes)
