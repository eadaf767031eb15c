"""Load the pre-trained network, and convert it to OpenVINO unchanged.

The result, the extractor, outputs `top` and, where there are any, `blocks` for the head; `cut` for
`train_finetune`, with `model.fine_tune_at`; and `means` for the detector if `top` is flattened.
Keras downloads the weights `imagenet` to its cache, in the folder that the environment variable
KERAS_HOME names. TensorFlow does not start for an ONNX file, or for an EfficientNet-Lite of which
nothing is fine-tuned: models/backbone/ then contains only a note. Params: `weights`,
`model.backbone`, `model.alpha`, `model.image_size`, `model.pooling`, `model.features`,
`model.fine_tune_at`, `model.onnx`. Writes models/backbone/ and models/extractor/. Run: `python -m
stages.backbone`
"""

from pawprint.base import paths
from pawprint.base.files import replacing, write_text
from pawprint.base.runtime import output_shapes, write_network
from pawprint.network.extractor import load_extractor
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.model import IMAGENET, PACKAGES, Model, Weights

MEANING = {
    "cut": "for fine-tuning",
    "blocks": "from blocks",
    "means": "for the detector of unknown inputs",
}
LAST_MAPS = "from the last feature maps"
# DVC does not track empty folders.
NOTE = "No layer of this network is trained, so all of them are in models/extractor/.\n"


def main() -> None:
    """Write the backbone and the extractor and print the kinds of features."""
    model = Model.load()
    weights = Weights.load()
    extractor = load_extractor(model, weights)
    with replacing(paths.BACKBONE.parent) as folder:
        folder.mkdir()
        if extractor.backbone is None:
            write_text(folder / paths.NO_BACKBONE.name, NOTE)
        else:
            from pawprint.network.keras_model import save_model

            save_model(extractor.backbone, folder / paths.BACKBONE.name)
    with replacing(paths.EXTRACTOR.parent) as folder:
        folder.mkdir()
        write_network(extractor.network, folder / paths.EXTRACTOR.name, extractor.outputs)
    shapes = output_shapes(extractor.network).items()
    meaning = MEANING | {"top": f"from the output {model.onnx.output}" if model.onnx else LAST_MAPS}
    features = [f"{'x'.join(map(str, shape))} {meaning[kind]}" for kind, shape in shapes]
    line = f"backbone: features per image: {', '.join(features)}"
    is_packaged = model.backbone in PACKAGES  # the code contains the hash of the file
    if weights.sha256 is None and weights.source == IMAGENET and not is_packaged:
        found = extractor.weights_sha256
        line += f"; to refuse other weights, which Keras may download, set weights.sha256: {found}"
    print(line)


if __name__ == "__main__":
    run_stage(main)
