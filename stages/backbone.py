"""Load the pre-trained network, and separate its frozen layers, which training never changes.

The frozen layers are converted to OpenVINO for `features`. Keras downloads the weights `imagenet`
to its cache, in the folder that the environment variable KERAS_HOME names. TensorFlow does not
start for an ONNX file, or for an EfficientNet-Lite of which nothing is fine-tuned: models/backbone/
then contains only a note. Params: `weights`, `model.backbone`, `model.alpha`,
`model.image_size`, `model.pooling`, `model.features`, `model.fine_tune_at`, `model.onnx`. Writes
models/backbone/ and models/extractor/. Says so if TensorFlow cannot fine-tune on this computer's
NVIDIA GPU because CUDA is missing. Run: `python -m stages.backbone`
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pawprint import paths
from pawprint.files import replacing, write_text
from pawprint.network.extractor import load_extractor
from pawprint.network.preprocessing import describe_disagreement
from pawprint.params.model import ONNX, Model, Weights
from pawprint.pipeline.entry import run_stage
from pawprint.runtime import output_shapes, write_network

MEANING = {
    "cut": "for fine-tuning",
    "blocks": "from blocks",
    "means": "for the detector of unknown inputs",
}
# DVC does not track empty folders.
NOTE = "No layer of this network is trained, so all of them are in models/extractor/.\n"


def main() -> None:
    """Write the backbone and the extractor and print the kinds of features."""
    model = Model.load()
    weights = Weights.load()
    if model.fine_tune_at is not None and (line := describe_missing_cuda()):
        print(f"backbone: {line}", file=sys.stderr)
    network, outputs, sha256, backbone, origin = load_extractor(model, weights)
    with replacing(paths.BACKBONE.parent) as folder:
        folder.mkdir()
        if backbone is None:
            write_text(folder / paths.NO_BACKBONE.name, NOTE)
        else:
            from pawprint.network.keras_model import save_model

            save_model(backbone, folder / paths.BACKBONE.name)
    with replacing(paths.EXTRACTOR.parent) as folder:
        folder.mkdir()
        write_network(network, folder / paths.EXTRACTOR.name, outputs)
    if model.backbone == ONNX and (differs := describe_disagreement(Path(weights.source), model)):
        print(f"backbone: {differs}")
    shapes = output_shapes(network).items()
    features = [
        f"{'x'.join(map(str, shape))} {MEANING.get(kind, origin)}" for kind, shape in shapes
    ]
    line = f"backbone: features per image: {', '.join(features)}"
    if sha256 and weights.sha256 is None:
        line += f"; weights.sha256 is null; the hash of these weights is {sha256}"
    print(line)


def describe_missing_cuda() -> str | None:
    """Return the command that installs CUDA if TensorFlow misses GPUs that the driver finds.

    Returns None if TensorFlow finds a GPU, on systems other than Linux, where TensorFlow does not
    support CUDA, and if CUDA_VISIBLE_DEVICES hides all GPUs.
    """
    from pawprint.network.hardware import tf

    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    driver = shutil.which("nvidia-smi")  # installed with the driver, even in containers and WSL
    if sys.platform != "linux" or not driver or is_hidden or tf.config.list_physical_devices("GPU"):
        return None
    try:
        listed = subprocess.run([driver, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listed.returncode or not listed.stdout.startswith("GPU"):
        return None  # a container may not be allowed to use GPUs
    command = f"pip install 'tensorflow[and-cuda]=={tf.__version__}'"
    if not tf.test.is_built_with_cuda():
        command = f"pip uninstall -y tensorflow-cpu && {command}"
    gpu = listed.stdout.partition(" (")[0]  # without the UUID
    return f"TensorFlow finds no CUDA, so training will not use {gpu}. Run `{command}`."


if __name__ == "__main__":
    run_stage(main)
