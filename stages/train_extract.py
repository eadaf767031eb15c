"""Feature extraction: train a new head on the stored features of the frozen base.

Reads data/features/ and data/raw/weights.h5. Params: `train_extract`, `model`.
Writes models/extract.keras, metrics/train_extract.json and plots/history_extract.csv.
Run: `python -m stages.train_extract`
"""

from pathlib import Path

from stages.shared import paths
from stages.shared.backend import keras, make_deterministic
from stages.shared.network import (
    build_head,
    build_whole,
    load_base,
    save_model,
)
from stages.shared.params import TrainExtract, load_params
from stages.shared.records import read_json, write_json
from stages.shared.training import compile_model, fit, measure, open_batches, write_history


def train_extract(params: TrainExtract, features: Path) -> tuple[keras.Model, dict, list[dict]]:
    """The trained head, its metrics on validation before and after, and the history."""
    train, validation = open_batches(features, "top", params)
    head = build_head(params.dropout)
    head.build((None, *train.features.shape[2:]))
    compile_model(head, params)
    initial = measure(head, validation)
    history = fit(head, train, validation, params.epochs, first_epoch=0)
    return head, {"initial": initial, "validation": measure(head, validation)}, history


def main() -> None:
    params = load_params()
    make_deterministic(params.train_extract.seed)
    head, metrics, history = train_extract(params.train_extract, paths.FEATURES)
    base = load_base(params.model, paths.RAW_WEIGHTS)
    model = build_whole(base, head)
    save_model(model, paths.EXTRACT_MODEL, read_json(paths.FEATURES / "labels.json"))
    write_json(paths.EXTRACT_METRICS, metrics)
    write_history(paths.EXTRACT_HISTORY, history)
    print(
        f"train_extract: validation accuracy {metrics['initial']['accuracy']:.4f} before, "
        f"{metrics['validation']['accuracy']:.4f} after {params.train_extract.epochs} epochs"
    )


if __name__ == "__main__":
    main()
