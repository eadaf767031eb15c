"""Fine-tuning: train the last layers of the backbone together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are
computed. Reads data/features/, data/split/train_validation.csv, data/split/labels.json,
models/backbone/ and models/head.npz. Params: `train_finetune`, `head`, `hardware`,
`model.backbone`, `model.pooling`, `model.fine_tune_at`. Writes models/finetune.keras, the same
network for OpenVINO in models/network/, metrics/train_finetune.json and
plots/history_finetune.csv. The layers of a backbone in an ONNX file cannot be trained, so the head
is joined to it as it is, and models/finetune.keras is the head alone.
Run: `python -m stages.train_finetune`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import HISTORY, SPLIT
from pawprint.features.store import StoredExamples
from pawprint.files import read_json, replacing, write_json
from pawprint.network.blocks import first_trained, with_blocks
from pawprint.network.hardware import make_deterministic, training_on
from pawprint.network.head_weights import HeadWeights
from pawprint.network.model import (
    build_model,
    convert,
    head_with,
    load_model,
    save_model,
    with_features,
    with_head,
)
from pawprint.network.training import Phase, describe_kept, fine_tune, measure_kept, open_batches
from pawprint.params.model import ONNX, Model
from pawprint.params.training import Hardware, Head, Train
from pawprint.pipeline.entry import run_stage
from pawprint.runtime import read_network, write_network
from pawprint.tables import read_table, write_table


def main() -> None:
    params, hardware = Train.load("train_finetune"), Hardware.load()
    head_params, network_params = Head.load(), Model.load()
    labels, weights = read_json(project.LABELS_JSON), HeadWeights.read(project.HEAD)
    make_deterministic(params.seed)  # of the dropout in the head, too
    optimizer, history, keeper = None, pd.DataFrame(columns=list(HISTORY)), None
    if network_params.backbone == ONNX:
        model = head_with(weights, head_params, len(labels))
        network = with_head(read_network(project.ONNX_BACKBONE), model)
    else:
        with training_on(hardware) as precision:
            backbone = load_model(project.BACKBONE, layers=())
            first = first_trained(network_params, backbone)
            if weights.has_blocks:
                backbone = with_blocks(backbone)
            head = head_with(weights, head_params, len(labels))
            name, pooling = network_params.backbone, network_params.pooling
            model = build_model(name, backbone, head, pooling)
            if first is not None:
                split = read_table(project.TRAIN_VALIDATION_CSV, SPLIT)
                store = StoredExamples(project.FEATURES, split, labels)
                data = open_batches(store, ("cut",), params, weights.has_blocks)
                phase = Phase("train_finetune", params, precision, project.FINETUNE_HISTORY_CSV)
                optimizer, history, keeper = fine_tune(model, first, data, phase)
        network = convert(with_features(model))
    save_model(model, project.FINETUNE_MODEL, optimizer)
    with replacing(project.NETWORK.parent) as folder:
        folder.mkdir()
        write_network(network, folder / project.NETWORK.name, ["logits", "features"])
    write_json(project.FINETUNE_METRICS, measure_kept(history, keeper))
    write_table(project.FINETUNE_HISTORY_CSV, history, HISTORY)
    if network_params.fine_tune_at is None:
        print("train_finetune: model.fine_tune_at is null: no epochs, the head is kept as it is")
    else:
        print(f"train_finetune: {describe_kept(history, keeper)}")


if __name__ == "__main__":
    run_stage(main)
