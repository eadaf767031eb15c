"""Fine-tuning: train the last layers of the backbone together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are
computed. Reads data/features/, data/split/images.csv, models/backbone/ and models/head.npz. Params:
`train_finetune`, `head`, `hardware`, `model.backbone`, `model.pooling`, `model.fine_tune_at`,
`model.fine_tune_last`. Writes models/finetune.keras, the same network for OpenVINO in
models/network/, and plots/history_finetune.csv. The layers of a backbone in an ONNX file cannot be
trained, so the head is joined to it as it is, and models/finetune.keras is the head alone.
Run: `python -m stages.train_finetune`
"""

import pandas as pd

from pawprint.core import data_paths, model_paths
from pawprint.core.data_tables import HISTORY, SPLIT
from pawprint.core.entry import run_stage
from pawprint.core.errors import InputError
from pawprint.core.files import replacing
from pawprint.core.params.hardware import Hardware
from pawprint.core.params.head import Head
from pawprint.core.params.model import ONNX, Model, problem_of_epochs
from pawprint.core.params.section import PARAMS
from pawprint.core.params.train import Train
from pawprint.core.tables import read_table, write_table
from pawprint.network.backend import make_deterministic
from pawprint.network.conversion import convert, with_head
from pawprint.network.cut import first_trained
from pawprint.network.hardware import training_on
from pawprint.network.head import build_head
from pawprint.network.head_arrays import read_head
from pawprint.network.model import build_model, load_model, save_model, with_features
from pawprint.network.phases import fine_tune
from pawprint.network.training import open_batches
from pawprint.runtime.network_file import output_shapes, read_network, write_network


def main() -> None:
    params = Train.load("train_finetune")
    hardware, of_head, of_backbone = Hardware.load(), Head.load(), Model.load()
    if problem := problem_of_epochs(of_backbone.backbone, params.epochs):
        raise InputError(f"{PARAMS}: {problem}")
    make_deterministic(params.seed)
    split = read_table(data_paths.SPLIT_IMAGES, SPLIT)
    classes = split["label"].nunique()
    if of_backbone.backbone == ONNX:
        backbone = read_network(model_paths.ONNX_BACKBONE)
        head = build_head(of_head, classes)
        head.build((None, *output_shapes(backbone)["top"]))
        head.set_weights(read_head(model_paths.HEAD))
        save_model(head, model_paths.FINETUNE_MODEL)
        network, history = with_head(backbone, head), pd.DataFrame(columns=list(HISTORY))
    else:
        train, validation, _ = open_batches(data_paths.FEATURES, split, "cut", params)
        with training_on(hardware) as precision:
            backbone = load_model(model_paths.BACKBONE, layers=())
            head = build_head(of_head, classes)
            model = build_model(of_backbone.backbone, backbone, head, of_backbone.pooling)
            head.set_weights(read_head(model_paths.HEAD))
            first = first_trained(of_backbone, backbone)
            settings = params, precision, first, train, validation, model_paths.FINETUNE_HISTORY
            optimizer, history = fine_tune(model, *settings)
        save_model(model, model_paths.FINETUNE_MODEL, optimizer)
        network = convert(with_features(model))
    with replacing(model_paths.NETWORK.parent) as folder:
        folder.mkdir()
        write_network(network, folder / model_paths.NETWORK.name, ["logits", "features"])
    write_table(model_paths.FINETUNE_HISTORY, history, HISTORY)
    kept = history[history["kept"]]
    if history.empty:
        print("train_finetune: no epochs: the head is kept as it is")
    elif kept.empty:
        print("train_finetune: the head alone is kept, as no epoch improves it on validation")
    else:
        epoch = kept.iloc[0]
        print(
            f"train_finetune: epoch {epoch['epoch']} is kept: validation accuracy "
            f"{epoch['validation_accuracy']:.4f}, loss {epoch['validation_loss']:.4f}"
        )


if __name__ == "__main__":
    run_stage(main)
