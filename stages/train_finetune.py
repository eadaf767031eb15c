"""Fine-tuning: adapt the last layers of the backbone to these images, together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are computed.
Reads train/ and validation/ in data/features/, data/split/train_validation.csv,
data/split/labels.json, models/backbone/ and models/head.npz. Params: `train_finetune`, `head`,
`hardware`, `model.backbone`, `model.pooling`, `model.fine_tune_at`. Writes models/network/, which
has the layers after the frozen ones for OpenVINO and, if layers were trained, the whole Keras
model; models/network.json with the number of views of an image that the network learned from; and
plots/history_finetune.csv. Run: `python -m stages.train_finetune`
"""

from pathlib import Path
from typing import TYPE_CHECKING

import openvino

from pawprint.base import paths
from pawprint.base.columns import HISTORY, SPLIT, TRAIN
from pawprint.base.files import read_json, replacing, write_json, write_text
from pawprint.base.runtime import write_network
from pawprint.network.heads import OUTPUTS, HeadWeights, on_features, on_maps
from pawprint.network.store import StoredExamples, stored_examples, stored_shapes
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.model import Hardware, Head, Model, TrainFinetune

if TYPE_CHECKING:
    import pandas as pd


def main() -> None:
    """Write the network, fine-tuned or unchanged."""
    weights = HeadWeights.read(paths.HEAD)
    with replacing(paths.NETWORK.parent) as folder:
        folder.mkdir()
        if Model.load().tunes:
            network, kinds, views, result = train(weights, folder)
        else:
            shapes = stored_shapes(paths.FEATURES / TRAIN)
            network, kinds = on_features(shapes, weights, Head.load())
            views = weights.views
            write_text(paths.FINETUNE_HISTORY_CSV, f"{','.join(HISTORY)}\n")
            result = "model.fine_tune_at is null, so the head stays as it is"
        write_network(network, folder / paths.NETWORK.name, OUTPUTS, kinds)
    write_json(paths.NETWORK_JSON, {"views": views})
    print(f"train_finetune: {result}")


def learned_views(store: StoredExamples, weights: HeadWeights, history: "pd.DataFrame") -> int:
    """Return the number of views of an image that the network learned from.

    If fine-tuning keeps no epoch in the HISTORY table, these are the views of the head.
    """
    return store.open("train", "cut").shape[1] if history["kept"].any() else weights.views


def train(weights: HeadWeights, folder: Path) -> tuple[openvino.Model, list[str], int, str]:
    """Train, and write the Keras model and the HISTORY table.

    Returns the network, the kinds of features that it takes, the number of views of an image that
    it learned from, and a text about the epoch that is kept.
    """
    # TensorFlow starts here, which takes seconds.
    from pawprint.base.tables import read_table, write_table
    from pawprint.network import training
    from pawprint.network.hardware import make_deterministic, training_on
    from pawprint.network.keras_model import load_model, parts, save_model, to_openvino

    params = TrainFinetune.load()
    head = Head.load()
    labels: list[str] = read_json(paths.LABELS_JSON)
    split = read_table(paths.TRAIN_VALIDATION_CSV, SPLIT)
    store = stored_examples(paths.FEATURES, split, labels)
    make_deterministic(params.epochs.seed)  # also makes dropout in the head reproducible
    with training_on(Hardware.load()) as precision:
        backbone = load_model(paths.BACKBONE)
        model, first_trained = training.with_head(backbone, Model.load(), weights, head)
        data = training.open_batches(store, ("cut",), params.epochs, weights.has_blocks)
        is_balanced = params.weight_for(store.classes("train")) is not None
        phase = training.Phase("train_finetune", params.epochs, precision, is_balanced)
        # Unfreezes the layers from `first_trained` on; then Keras' `compile` and `fit`.
        optimizer, history, keeper = training.fine_tune(model, first_trained, data, phase)
    save_model(model, folder / paths.TRAINED_MODEL.name, optimizer)
    trained = to_openvino(training.trained_layers(model, first_trained))
    tuned = weights._replace(arrays=parts(model)[-1].get_weights())  # the head is last
    network, kinds = on_maps(store.shapes(), trained, tuned, head)
    write_table(paths.FINETUNE_HISTORY_CSV, history, HISTORY)
    views = learned_views(store, weights, history)
    return network, kinds, views, training.describe_kept(history, keeper)


if __name__ == "__main__":
    run_stage(main)
