"""Fine-tuning: train the last layers of the backbone together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are
computed. Reads data/features/, data/split/images.csv, models/extract.keras and, to continue the
count of epochs, plots/history_extract.csv. Params: `train_finetune`, `hardware`,
`model.backbone`, `model.fine_tune_at`, `model.fine_tune_last`. Writes models/finetune.keras, the
same network for OpenVINO in models/network/, and plots/history_finetune.csv.
Run: `python -m stages.train_finetune`
"""

import shutil

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import replacing
from pawprint.core.params.hardware import Hardware
from pawprint.core.params.model import Model
from pawprint.core.params.train import Train
from pawprint.core.tables import HISTORY, SPLIT, read_table, write_table
from pawprint.network.backend import make_deterministic
from pawprint.network.cut import first_trained
from pawprint.network.hardware import training_on
from pawprint.network.model import load_model, parts, save_model, with_features
from pawprint.network.phases import fine_tune
from pawprint.network.training import open_batches
from pawprint.runtime.conversion import convert, write_network


def main() -> None:
    params = Train.load("train_finetune")
    hardware, of_backbone = Hardware.load(), Model.load()
    make_deterministic(params.seed)
    epochs_before = len(read_table(paths.EXTRACT_HISTORY, HISTORY))
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    train, validation, _ = open_batches(paths.FEATURES, split, "cut", params, epochs_before)
    with training_on(hardware) as precision:
        model = load_model(paths.EXTRACT_MODEL)
        _, backbone, *_ = parts(model)
        first = first_trained(of_backbone, backbone)
        optimizer, metrics, history = fine_tune(model, params, precision, first, train, validation)
    if len(history):
        save_model(model, paths.FINETUNE_MODEL, optimizer)
    else:  # no epochs: frozen layers and optimizer are those of feature extraction
        with replacing(paths.FINETUNE_MODEL) as partial:
            shutil.copyfile(paths.EXTRACT_MODEL, partial)
    with replacing(paths.NETWORK.parent) as folder:
        folder.mkdir()
        network = convert(with_features(model))
        write_network(network, folder / paths.NETWORK.name, ["logits", "features"])
    write_table(paths.FINETUNE_HISTORY, history, HISTORY)
    print(
        f"train_finetune: validation accuracy {metrics['accuracy']:.4f}, "
        f"loss {metrics['loss']:.4f} after {len(history)} epochs"
    )


if __name__ == "__main__":
    run_stage(main)
