"""Fine-tuning: train the last layers of the backbone together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are
computed. Reads data/features/, data/split/images.csv, data/split/labels.json, models/backbone/ and
models/head.npz. Params: `train_finetune`, `head`, `hardware`, `model.backbone`, `model.pooling`,
`model.fine_tune_at`. Writes models/finetune.keras, the same network for OpenVINO in
models/network/, metrics/train_finetune.json and plots/history_finetune.csv. The layers of a
backbone in an ONNX file cannot be trained, so the head is joined to it as it is, and
models/finetune.keras is the head alone. Run: `python -m stages.train_finetune`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import HISTORY, SPLIT
from pawprint.features.store import StoredExamples
from pawprint.files import read_arrays, read_json, replacing, write_json
from pawprint.network.conversion import convert, first_trained, with_head
from pawprint.network.hardware import make_deterministic, training_on
from pawprint.network.model import (
    build_head,
    build_model,
    head_with,
    load_model,
    save_model,
    with_features,
)
from pawprint.network.training import Phase, describe_kept, fine_tune, measure_kept, open_batches
from pawprint.params.model import ONNX, Model
from pawprint.params.training import Hardware, Head, Train
from pawprint.pipeline.entry import run_stage
from pawprint.runtime.network_file import output_shapes, read_network, write_network
from pawprint.tables import read_table, write_table


def main() -> None:
    params, hardware = Train.load("train_finetune"), Hardware.load()
    head_params, network_params = Head.load(), Model.load()
    labels, arrays = read_json(project.LABELS_JSON), [*read_arrays(project.HEAD).values()]
    if network_params.backbone == ONNX:
        extractor = read_network(project.ONNX_BACKBONE)
        features = output_shapes(extractor)["top"]
        model, optimizer = head_with(arrays, features, head_params, len(labels)), None
        network, history = with_head(extractor, model), pd.DataFrame(columns=list(HISTORY))
        keeper = None
    else:
        make_deterministic(params.seed)
        split = read_table(project.SPLIT_CSV, SPLIT)
        data = open_batches(StoredExamples(project.FEATURES, split, labels), "cut", params)
        with training_on(hardware) as precision:
            backbone = load_model(project.BACKBONE, layers=())
            head = build_head(head_params, len(labels))
            model = build_model(network_params.backbone, backbone, head, network_params.pooling)
            head.set_weights(arrays)
            phase = Phase("train_finetune", params, precision, project.FINETUNE_HISTORY_CSV)
            first = first_trained(network_params, backbone)
            optimizer, history, keeper = fine_tune(model, first, data, phase)
        network = convert(with_features(model))
    save_model(model, project.FINETUNE_MODEL, optimizer)
    with replacing(project.NETWORK.parent) as folder:
        folder.mkdir()
        write_network(network, folder / project.NETWORK.name, ["logits", "features"])
    write_json(project.FINETUNE_METRICS, measure_kept(history, keeper))
    write_table(project.FINETUNE_HISTORY_CSV, history, HISTORY)
    print(f"train_finetune: {describe_kept(history, keeper)}")


if __name__ == "__main__":
    run_stage(main)
