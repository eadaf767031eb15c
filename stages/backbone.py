"""Load the pre-trained backbone, and convert its frozen layers to OpenVINO for `features`.

Keras downloads the weights `imagenet` to its cache, in the folder that the environment variable
KERAS_HOME names. Of a backbone in an ONNX file all layers are frozen. Params: `weights`,
`model.backbone`, `model.alpha`, `model.image_size`, `model.pooling`, `model.features`,
`model.fine_tune_at`, `model.onnx`. Writes models/backbone/ and models/extractor/.
Run: `python -m stages.backbone`
"""

from pathlib import Path

from pawprint import project
from pawprint.dataset.download import download
from pawprint.errors import InputError
from pawprint.files import replacing
from pawprint.network.blocks import build_extractor, cut_index, first_trained, with_blocks
from pawprint.network.conversion import convert
from pawprint.network.hardware import make_deterministic
from pawprint.network.model import load_backbone, require_file, save_model, weights_sha256
from pawprint.network.onnx_backbone import read_onnx
from pawprint.params.model import ONNX, Model, Weights
from pawprint.pipeline.entry import run_stage
from pawprint.runtime.network_file import output_shapes, write_network


def main() -> None:
    model, weights = Model.load(), Weights.load()
    make_deterministic(seed=0)
    name, alpha, size, source = model.backbone, model.alpha, model.image_size, weights.source
    with replacing(project.BACKBONE.parent) as folder:
        folder.mkdir()
        if name == ONNX:
            is_url = "://" in source
            path = download(source, weights.sha256, "weights.source") if is_url else Path(source)
            expected = "the path or the URL of a file, because model.backbone is onnx"
            require_file(path, weights.sha256, source, expected)
            network = read_onnx(path, model)
            outputs = ["top"]
            write_network(network, folder / project.ONNX_BACKBONE.name, outputs)
        else:
            backbone = load_backbone(name, alpha, size, source, weights.sha256)
            save_model(backbone, folder / project.BACKBONE.name)
            first, cut = first_trained(model, backbone), None
            if first is not None:
                cut = cut_index(backbone, first)
            whole = backbone if model.features == "last" else with_blocks(backbone)
            extractor, outputs = build_extractor(name, whole, model.pooling, cut)
            if model.features == "blocks" and "blocks" not in outputs:
                raise InputError(
                    f"model.features: expected auto or last, because {name} has no blocks that a "
                    "head can see. Received: blocks"
                )
            network = convert(extractor)
            if weights.sha256 is None:
                digest = weights_sha256(backbone)
                print(f"backbone: weights.sha256 is null, that of these is {digest}")
    with replacing(project.EXTRACTOR.parent) as folder:
        folder.mkdir()
        write_network(network, folder / project.EXTRACTOR.name, outputs)
    for kind, shape in output_shapes(network).items():
        print(f"backbone: each image has {'x'.join(map(str, shape))} features called {kind}")


if __name__ == "__main__":
    run_stage(main)
