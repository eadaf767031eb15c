"""Fine-tuning: train the last layers of the base together with the head.

Starts from the stored features at the cut, so that only the layers that learn, and the few
frozen ones after the cut, are computed. Reads data/features/ and models/extract.keras. Params:
`train_finetune`, `model.fine_tune_at`, `train_extract.epochs`. Writes models/finetune.keras,
metrics/train_finetune.json and plots/history_finetune.csv.
Run: `python -m stages.train_finetune`
"""

from pathlib import Path

from stages.shared import paths
from stages.shared.backend import keras, make_deterministic
from stages.shared.network import (
    BASE,
    HEAD,
    InferenceMode,
    cut_index,
    load_model,
    pool,
    save_model,
    split_at,
)
from stages.shared.params import TrainFinetune, load_params
from stages.shared.records import write_json
from stages.shared.training import compile_model, fit, measure, open_batches, write_history


def train_finetune(
    whole: keras.Model, params: TrainFinetune, fine_tune_at: int, first_epoch: int, features: Path
) -> tuple[dict, list[dict]]:
    """Train the layers from `fine_tune_at` on, in place; metrics on validation, and history."""
    base, head = whole.get_layer(BASE), whole.get_layer(HEAD)
    base.trainable = True
    for layer in base.layers[:fine_tune_at]:
        layer.trainable = False
    _, tail = split_at(base, cut_index(base, fine_tune_at))
    at_cut = keras.Input(tail.input_shape[1:])
    model = keras.Model(at_cut, head(pool(InferenceMode(tail)(at_cut))))
    compile_model(model, params)
    train, validation = open_batches(features, "cut", params)
    history = fit(model, train, validation, params.epochs, first_epoch)
    return {"validation": measure(model, validation)}, history


def main() -> None:
    params = load_params()
    make_deterministic(params.train_finetune.seed)
    model, labels = load_model(paths.EXTRACT_MODEL)
    metrics, history = train_finetune(
        model,
        params.train_finetune,
        params.model.fine_tune_at,
        params.train_extract.epochs,
        paths.FEATURES,
    )
    save_model(model, paths.FINETUNE_MODEL, labels)
    write_json(paths.FINETUNE_METRICS, metrics)
    write_history(paths.FINETUNE_HISTORY, history)
    print(
        f"train_finetune: validation accuracy {metrics['validation']['accuracy']:.4f} "
        f"after {params.train_finetune.epochs} epochs"
    )


if __name__ == "__main__":
    main()
