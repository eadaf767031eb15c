"""Fine-tuning: train the last layers of the base together with the head.

Starts from the stored features at the cut, so that only the layers that learn, and the few
frozen ones after the cut, are computed. Reads data/features/, models/extract.keras and, to count
epochs on, plots/history_extract.csv. Params: `train_finetune`, `hardware`,
`model.fine_tune_at`, `model.fine_tune_last`. Writes models/finetune.keras,
metrics/train_finetune.json and plots/history_finetune.csv. Run: `python -m stages.train_finetune`
"""

import shutil
from pathlib import Path

from pawprint.core import paths
from pawprint.core.files import read_csv, replacing, write_json
from pawprint.core.params import Train, load_params
from pawprint.network.backend import keras, make_deterministic
from pawprint.network.cut import FoldedTail, cut_index, first_trained, split_at
from pawprint.network.hardware import computing_in, training_on
from pawprint.network.head import gives_logits
from pawprint.network.model import load_model, save_model
from pawprint.network.training import (
    compile_model,
    fit,
    measure,
    open_batches,
    optimizer_of,
    write_history,
)
from pawprint.serving.keras_file import BASE, HEAD, POOLING


def train_finetune(
    whole: keras.Model,
    params: Train,
    precision: str,
    first: int,
    first_epoch: int,
    features: Path,
) -> tuple[keras.Optimizer, dict, list[dict]]:
    """Train the base's layers from `first` on, and the head, in place.

    Returns the optimizer, the metrics on validation, and the history.
    """
    base, pool, head = (whole.get_layer(name) for name in (BASE, POOLING, HEAD))
    base.trainable = True
    for layer in base.layers[:first]:
        layer.trainable = False
    _, tail = split_at(base, cut_index(base, first))
    at_cut = keras.Input(tail.input_shape[1:])
    folded = FoldedTail(tail)
    model = keras.Model(at_cut, head(pool(folded(at_cut))))
    train, validation = open_batches(features, "cut", params, first_epoch)
    with computing_in(precision, [model, folded, *tail.layers, pool, *head.layers[:-1]]):
        compile_model(model, params, gives_logits(head))
        history = fit(model, train, validation, params, first_epoch)
        metrics = {"validation": measure(model, validation)}
    return optimizer_of(model), metrics, history


def main() -> None:
    params = load_params()
    make_deterministic(params.train_finetune.seed)
    epochs_before = len(read_csv(paths.EXTRACT_HISTORY))
    with training_on(params.hardware) as precision:
        model, meaning = load_model(paths.EXTRACT_MODEL)
        first = first_trained(
            model.get_layer(BASE), params.model.fine_tune_at, params.model.fine_tune_last
        )
        optimizer, metrics, history = train_finetune(
            model, params.train_finetune, precision, first, epochs_before, paths.FEATURES
        )
    if history:
        save_model(model, meaning, paths.FINETUNE_MODEL, optimizer)
    else:  # nothing was fine-tuned: frozen layers and optimizer are those of feature extraction
        with replacing(paths.FINETUNE_MODEL) as partial:
            shutil.copyfile(paths.EXTRACT_MODEL, partial)
    write_json(paths.FINETUNE_METRICS, metrics)
    write_history(paths.FINETUNE_HISTORY, history)
    print(
        f"train_finetune: validation accuracy {metrics['validation']['accuracy']:.4f} "
        f"after {len(history)} epochs"
    )


if __name__ == "__main__":
    main()
