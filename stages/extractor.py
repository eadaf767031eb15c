"""Convert the frozen layers of the backbone to OpenVINO, for `features`.

Reads data/raw/weights.h5. Params: `model.backbone`, `model.alpha`, `model.image_size`,
`model.pooling`, `model.fine_tune_at`, `model.fine_tune_last`. Writes models/extractor/.
Run: `python -m stages.extractor`
"""

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import replacing
from pawprint.core.params.model import Model
from pawprint.network.backbone import load_backbone
from pawprint.network.backend import make_deterministic
from pawprint.network.cut import cut_index, first_trained
from pawprint.network.extractor import OUTPUTS, build_extractor
from pawprint.runtime.conversion import convert, write_network


def main() -> None:
    model = Model.load()
    make_deterministic(seed=0)
    name = model.backbone
    backbone = load_backbone(name, model.alpha, model.image_size, paths.RAW_WEIGHTS)
    cut = cut_index(backbone, first_trained(model, backbone))
    network = convert(build_extractor(name, backbone, cut, model.pooling))
    with replacing(paths.EXTRACTOR.parent) as folder:
        folder.mkdir()
        write_network(network, folder / paths.EXTRACTOR.name, list(OUTPUTS))
    shapes = (list(output.partial_shape)[1:] for output in network.outputs)
    sizes = ("x".join(str(length.get_length()) for length in shape) for shape in shapes)
    print("extractor: " + ", ".join(f"{kind} {size}" for kind, size in zip(OUTPUTS, sizes)))


if __name__ == "__main__":
    run_stage(main)
