"""Fine-tuning: train the last layers of the backbone together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are
computed. Reads data/features/, data/split/images.csv, data/split/labels.json, models/backbone/ and
models/head.npz. Params: `train_finetune`, `head`, `hardware`, `model.backbone`, `model.pooling`,
`model.fine_tune_at`, `model.fine_tune_last`. Writes models/finetune.keras, the same network for
OpenVINO in models/network/, and plots/history_finetune.csv. The layers of a backbone in an ONNX
file cannot be trained, so the head is joined to it as it is, and models/finetune.keras is the head
alone. Run: `python -m stages.train_finetune`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import HISTORY, SPLIT
from pawprint.entry import run_stage
from pawprint.errors import InputError
from pawprint.files import read_arrays, read_json, replacing
from pawprint.network.conversion import convert, first_trained, with_head
from pawprint.network.hardware import make_deterministic, training_on
from pawprint.network.model import build_head, build_model, load_model, save_model, with_features
from pawprint.network.training import fine_tune, open_batches
from pawprint.params.model import ONNX, Model, problem_of_epochs
from pawprint.params.training import Hardware, Head, Train
from pawprint.project import PARAMS
from pawprint.runtime.network_file import output_shapes, read_network, write_network
from pawprint.tables import read_table, write_table


def main() -> None:
    params = Train.load("train_finetune")
    hardware, of_head, of_backbone = Hardware.load(), Head.load(), Model.load()
    if problem := problem_of_epochs(of_backbone.backbone, params.epochs):
        raise InputError(f"{PARAMS}: {problem}")
    make_deterministic(params.seed)
    split = read_table(project.SPLIT_CSV, SPLIT)
    labels = read_json(project.LABELS_JSON)
    if of_backbone.backbone == ONNX:
        backbone = read_network(project.ONNX_BACKBONE)
        head = build_head(of_head, len(labels))
        head.build((None, *output_shapes(backbone)["top"]))
        head.set_weights(read_arrays(project.HEAD))
        save_model(head, project.FINETUNE_MODEL)
        network, history = with_head(backbone, head), pd.DataFrame(columns=list(HISTORY))
    else:
        train, validation = open_batches(project.FEATURES, split, labels, "cut", params)
        with training_on(hardware) as precision:
            backbone = load_model(project.BACKBONE, layers=())
            head = build_head(of_head, len(labels))
            model = build_model(of_backbone.backbone, backbone, head, of_backbone.pooling)
            head.set_weights(read_arrays(project.HEAD))
            first = first_trained(of_backbone, backbone)
            settings = params, precision, first, train, validation, project.FINETUNE_HISTORY_CSV
            optimizer, history = fine_tune(model, *settings)
        save_model(model, project.FINETUNE_MODEL, optimizer)
        network = convert(with_features(model))
    with replacing(project.NETWORK.parent) as folder:
        folder.mkdir()
        write_network(network, folder / project.NETWORK.name, ["logits", "features"])
    write_table(project.FINETUNE_HISTORY_CSV, history, HISTORY)
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
