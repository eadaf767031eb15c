"""Compare the features of files by today's exporters with ONNX Runtime, or refuse the files."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import PROJECT, refused
from onnx_files import params_of

from pawprint.network.onnx_backbone import draw_images, read_onnx
from pawprint.params.model import Model
from pawprint.runtime import compile_for_cpu

pytestmark = pytest.mark.extended
PACKAGES = [
    "torch==2.14.1", "torchvision==0.29.1", "timm==1.0.31", "transformers==5.24.0",
    "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.32.0",
]  # fmt: skip


class Row(NamedTuple):
    """A file, the size of its images, `model.onnx.output`, and the start of the refusal, if any."""

    size: int
    output: str | None = None
    refusal: str = ""
    remedy: str = ""


ROWS = {
    "dinov2": Row(224),
    "mobilenetv4": Row(224),
    "convnextv2": Row(384),
    "siglip": Row(224),
    "mobilevit": Row(256),
    "dinov3": Row(224),
    "eva02": Row(224),
    "float16": Row(224),
    "old exporter": Row(224),
    "registers, 518 px": Row(518),
    "registers, 224 px": Row(224, refusal="no Resize with antialiasing", remedy="at the size"),
    "dynamic_img_size": Row(224, refusal="no Resize with antialiasing", remedy="of this size"),
    "img_size": Row(224),
    "external data": Row(224, refusal="weights in the file", remedy="external_data=False"),
    "one file": Row(224),
    "two logits": Row(224, refusal="2 numbers, as from a classifier"),
    "ten logits": Row(224, refusal="10 numbers, as from a classifier"),
    "batch of two": Row(224, refusal="Export the network with batch 1 or a dynamic batch"),
    "256 px": Row(224, refusal="Set model.image_size to the size of the file, 256"),
    "int8": Row(224, refusal="8-bit or 4-bit weights", remedy="in float32 or float16"),
    "q4": Row(224, refusal="8-bit or 4-bit weights", remedy="in float32 or float16"),
    "NaN": Row(224, refusal="Received: NaN"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Return the folder with all files, written in an environment of its own."""
    folder = tmp_path_factory.mktemp("exporters")
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    script = PROJECT / "tests/support/exporters.py"
    subprocess.run([python, script, folder / "files"], check=True)
    shutil.rmtree(folder / "venv")
    return folder / "files"


def params(row: Row) -> Model:
    return params_of("last", output=row.output).model_copy(update={"image_size": row.size})


@pytest.mark.parametrize("name", ROWS)
def test_features_are_those_of_onnx_runtime_or_the_file_is_refused(name, files):
    row = ROWS[name]
    path = files / name / "model.onnx"
    if row.refusal:
        with refused(f"{path}: ", row.refusal, row.remedy):
            read_onnx(path, params(row))
        return
    images = draw_images(row.size)[:4]
    network, origin = read_onnx(path, params(row))
    run = compile_for_cpu(network)
    features = np.stack([run(image)[-1] for image in images])
    expected = features_by_onnx_runtime(path, images, origin)
    difference = np.abs(features - expected).max() / np.abs(expected).max()
    assert difference < (1e-3 if name == "float16" else 1e-5)


def features_by_onnx_runtime(path: Path, images: np.ndarray, origin: str) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scaled = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    kind = np.float16 if "16" in session.get_inputs()[0].type else np.float32
    batches = scaled.transpose(0, 3, 1, 2)[:, None].astype(kind)
    outputs = [session.run(["features"], {"pixels": batch})[0][0] for batch in batches]
    features = np.stack(outputs).astype(np.float32)
    return features[:, 0] if origin == "from the class token" else features
