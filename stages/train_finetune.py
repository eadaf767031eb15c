"""Fine-tuning: adapt the last layers of the backbone to these images, together with the head.

Training starts from the stored features at the cut, so only the layers after the cut are computed.
Reads train/ and validation/ in data/features/, models/backbone/ and models/to_tune/, which has the
new head, the labels and the split. Params: `train_finetune`, `head`, `hardware`, `model.backbone`,
`model.pooling`, `model.fine_tune_at`. Writes plots/history_finetune.csv, and models/tuned/: the
layers after the frozen ones for OpenVINO, the whole Keras model, and the number of views of an
image that the network learned from; or a note, if nothing is trained. Run: `python -m
stages.train_finetune`
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pawprint.base import paths
from pawprint.base.columns import HISTORY, SPLIT
from pawprint.base.files import read_json, replacing, write_json, write_text
from pawprint.base.runtime import write_network
from pawprint.network.heads import OUTPUTS, HeadWeights, on_maps
from pawprint.network.store import StoredExamples, stored_examples
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.model import Hardware, Head, Model, TrainFinetune

if TYPE_CHECKING:
    import pandas as pd


# DVC does not track empty folders.
NOTE = "No layer of the backbone is trained, so the head in models/head.npz is used as it is.\n"


def main() -> None:
    """Write the fine-tuned network, or a note that there is none."""
    with replacing(paths.TUNED) as folder:
        folder.mkdir()
        if Model.load().tunes:
            result = train(folder)
        else:
            write_text(folder / paths.NO_NETWORK.name, NOTE)
            write_text(paths.FINETUNE_HISTORY_CSV, f"{','.join(HISTORY)}\n")
            result = "model.fine_tune_at is null, so the head stays as it is"
    print(f"train_finetune: {result}")


def learned_views(store: StoredExamples, weights: HeadWeights, history: "pd.DataFrame") -> int:
    """Return the number of views of an image that the network learned from.

    If fine-tuning keeps no epoch in the HISTORY table, these are the views of the head.
    """
    return store.open("train", "cut").shape[1] if history["kept"].any() else weights.views


def train(folder: Path) -> str:
    """Train; write the network, as OpenVINO and Keras models, and the HISTORY table.

    Returns a text about the epoch that is kept.
    """
    # TensorFlow starts here, which takes seconds.
    from pawprint.base.tables import read_table, write_table
    from pawprint.network import training
    from pawprint.network.hardware import make_deterministic, training_on
    from pawprint.network.keras_model import load_model, parts, save_model, to_openvino

    params = TrainFinetune.load()
    head = Head.load()
    weights = HeadWeights.read(paths.TO_TUNE / paths.HEAD.name)
    labels: list[str] = read_json(paths.TO_TUNE / paths.LABELS_JSON.name)
    split = read_table(paths.TO_TUNE / paths.TRAIN_VALIDATION_CSV.name, SPLIT)
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
    write_network(network, folder / paths.NETWORK.name, OUTPUTS, kinds)
    write_json(folder / paths.TUNED_VIEWS.name, {"views": learned_views(store, weights, history)})
    write_table(paths.FINETUNE_HISTORY_CSV, history, HISTORY)
    return training.describe_kept(history, keeper)


if __name__ == "__main__":
    run_stage(main)
