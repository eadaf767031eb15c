"""Load the pre-trained backbone, and convert its frozen layers to OpenVINO for `features`.

Keras downloads the weights `imagenet` to its cache, in the folder that the environment variable
KERAS_HOME names. Of a backbone in an ONNX file all layers are frozen. Params: `weights`,
`model.backbone`, `model.alpha`, `model.image_size`, `model.pooling`, `model.features`,
`model.fine_tune_at`, `model.onnx`. Writes models/backbone/ and models/extractor/.
Run: `python -m stages.backbone`
"""

from pawprint import project
from pawprint.files import replacing
from pawprint.network.backbone import load_extractor, weights_sha256
from pawprint.network.model import save_model
from pawprint.params.model import Model, Weights
from pawprint.pipeline.entry import run_stage
from pawprint.runtime import output_shapes, write_network

MEANING = {
    "cut": "for fine-tuning",
    "blocks": "of blocks",
    "top": "of the last maps",
    "means": "for the detector of unknown inputs",
}


def main() -> None:
    weights = Weights.load()
    network, outputs, backbone = load_extractor(Model.load(), weights)
    with replacing(project.BACKBONE.parent) as folder:
        folder.mkdir()
        if backbone is None:
            write_network(network, folder / project.ONNX_BACKBONE.name, outputs)
        else:
            save_model(backbone, folder / project.BACKBONE.name)
    with replacing(project.EXTRACTOR.parent) as folder:
        folder.mkdir()
        write_network(network, folder / project.EXTRACTOR.name, outputs)
    shapes = output_shapes(network).items()
    features = [f"{'x'.join(map(str, shape))} {MEANING[kind]}" for kind, shape in shapes]
    line = f"backbone: features of each image: {', '.join(features)}"
    if backbone is not None and weights.sha256 is None:
        line += f"; weights.sha256 is null, that of these is {weights_sha256(backbone)}"
    print(line)


if __name__ == "__main__":
    run_stage(main)
