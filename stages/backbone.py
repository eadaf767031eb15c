"""Load the pre-trained backbone, and convert its frozen layers to OpenVINO for `features`.

Keras downloads the weights `imagenet` to its cache, in the folder that the environment variable
KERAS_HOME names. Params: `weights`, `model.backbone`, `model.alpha`, `model.image_size`,
`model.pooling`, `model.fine_tune_at`, `model.fine_tune_last`. Writes models/backbone/ and
models/extractor/. Run: `python -m stages.backbone`
"""

from pawprint.core import data_paths, model_paths
from pawprint.core.entry import run_stage
from pawprint.core.files import replacing
from pawprint.core.params.model import Model
from pawprint.core.params.weights import Weights
from pawprint.network.backbone import load_backbone, weights_sha256
from pawprint.network.backend import make_deterministic
from pawprint.network.conversion import convert
from pawprint.network.cut import cut_index, first_trained
from pawprint.network.extractor import OUTPUTS, build_extractor
from pawprint.network.model import save_model
from pawprint.runtime.network_file import write_network


def main() -> None:
    model, weights = Model.load(), Weights.load()
    make_deterministic(seed=0)
    name, alpha, size = model.backbone, model.alpha, model.image_size
    backbone = load_backbone(name, alpha, size, weights.source, weights.sha256)
    cut = cut_index(backbone, first_trained(model, backbone))
    network = convert(build_extractor(name, backbone, cut, model.pooling))
    save_model(backbone, model_paths.BACKBONE)
    with replacing(data_paths.EXTRACTOR.parent) as folder:
        folder.mkdir()
        write_network(network, folder / data_paths.EXTRACTOR.name, list(OUTPUTS))
    shapes = (list(output.partial_shape)[1:] for output in network.outputs)
    sizes = ("x".join(str(length.get_length()) for length in shape) for shape in shapes)
    print("backbone: " + ", ".join(f"{kind} {size}" for kind, size in zip(OUTPUTS, sizes)))
    if weights.sha256 is None:
        print(f"backbone: weights.sha256 is null, that of these is {weights_sha256(backbone)}")


if __name__ == "__main__":
    run_stage(main)
