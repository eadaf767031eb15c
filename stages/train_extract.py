"""Feature extraction: train a new head on the stored features of the frozen base.

Reads data/features/ and data/raw/weights.h5. Params: `train_extract`, `head`, `hardware`,
`model.alpha`, `model.image_size`, `model.pooling`, `model.resize`. Writes models/extract.keras,
metrics/train_extract.json and plots/history_extract.csv. Run: `python -m stages.train_extract`
"""

from pathlib import Path

from pawprint.core import paths
from pawprint.core.files import read_json, write_json
from pawprint.core.params import Head, Train, load_params
from pawprint.network.backbone import load_base
from pawprint.network.backend import keras, make_deterministic
from pawprint.network.hardware import computing_in, training_on
from pawprint.network.head import build_head, gives_logits
from pawprint.network.model import build_whole, save_model
from pawprint.network.training import (
    compile_model,
    fit,
    measure,
    open_batches,
    optimizer_of,
    write_history,
)
from pawprint.serving.metadata import Meaning


def train_extract(
    params: Train, head_params: Head, precision: str, features: Path
) -> tuple[keras.Model, keras.Optimizer, dict, list[dict]]:
    """The trained head, its optimizer, its metrics before and after, and the history."""
    train, validation = open_batches(features, "top", params, first_epoch=0)
    head = build_head(head_params)
    inputs = keras.Input(train.features.shape[2:])
    model = keras.Model(inputs, head(inputs))
    with computing_in(precision, [model, *head.layers[:-1]]):
        compile_model(model, params, gives_logits(head))
        initial = measure(model, validation)
        history = fit(model, train, validation, params, first_epoch=0)
        metrics = {"initial": initial, "validation": measure(model, validation)}
    return head, optimizer_of(model), metrics, history


def main() -> None:
    params = load_params()
    make_deterministic(params.train_extract.seed)
    with training_on(params.hardware) as precision:
        head, optimizer, metrics, history = train_extract(
            params.train_extract, params.head, precision, paths.FEATURES
        )
        base = load_base(params.model.alpha, params.model.image_size, paths.RAW_WEIGHTS)
        base.trainable = False
        model = build_whole(base, head, params.model.pooling)
    labels = read_json(paths.FEATURES / "labels.json")
    meaning = Meaning(labels=labels, resize=params.model.resize, threshold=0.5)
    save_model(model, meaning, paths.EXTRACT_MODEL, optimizer)
    write_json(paths.EXTRACT_METRICS, metrics)
    write_history(paths.EXTRACT_HISTORY, history)
    print(
        f"train_extract: validation accuracy {metrics['initial']['accuracy']:.4f} before, "
        f"{metrics['validation']['accuracy']:.4f} after {len(history)} epochs"
    )


if __name__ == "__main__":
    main()
