"""Compare the features of files by today's exporters with ONNX Runtime."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT
from onnx_files import params_of

from pawprint.network.onnx_backbone import draw_images, read_onnx
from pawprint.runtime import compile_for_cpu

pytestmark = pytest.mark.extended
PACKAGES = [
    "torch==2.14.1", "torchvision==0.29.1", "timm==1.0.31", "transformers==5.24.0",
    "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.32.0",
]  # fmt: skip


# The size of the images of each file.
OF_224 = ("dinov2", "mobilenetv4", "siglip", "dinov3", "eva02", "float16", "old exporter")
SIZES = dict.fromkeys((*OF_224, "img_size", "one file"), 224)
SIZES |= {"convnextv2": 384, "mobilevit": 256, "registers, 518 px": 518}


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


@pytest.mark.parametrize("name", SIZES)
def test_features_are_those_of_onnx_runtime(name, files):
    path, size = files / name / "model.onnx", SIZES[name]
    images = draw_images(size)[:4]
    params = params_of("last", output=None).model_copy(update={"image_size": size})
    network, origin = read_onnx(path, params)
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
