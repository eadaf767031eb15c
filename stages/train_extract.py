"""Feature extraction: train a new head on the stored features of the frozen backbone.

Reads data/features/, data/split/images.csv and models/backbone/. Params: `train_extract`, `head`,
`hardware`, `model.backbone`, `model.pooling`. Writes models/extract.keras,
metrics/train_extract.json and plots/history_extract.csv.
Run: `python -m stages.train_extract`
"""

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.params.hardware import Hardware
from pawprint.core.params.head import Head
from pawprint.core.params.model import Model
from pawprint.core.params.train import Train
from pawprint.core.tables import HISTORY, SPLIT, read_table, write_table
from pawprint.network.backend import make_deterministic
from pawprint.network.hardware import training_on
from pawprint.network.model import build_model, load_model, save_model
from pawprint.network.phases import train_head
from pawprint.network.training import open_batches


def main() -> None:
    params = Train.load("train_extract")
    hardware, of_head, of_backbone = Hardware.load(), Head.load(), Model.load()
    make_deterministic(params.seed)
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    train, validation, labels = open_batches(paths.FEATURES, split, "top", params)
    with training_on(hardware) as precision:
        head, optimizer, metrics, history = train_head(
            params, of_head, len(labels), precision, train, validation
        )
        backbone = load_model(paths.BACKBONE, layers=())
        backbone.trainable = False
        model = build_model(of_backbone.backbone, backbone, head, of_backbone.pooling)
    save_model(model, paths.EXTRACT_MODEL, optimizer)
    initial, final = metrics["initial"], metrics["validation"]
    accuracy = {
        "initial_accuracy": initial["accuracy"],
        "validation_accuracy": final["accuracy"],
    }
    write_json(paths.EXTRACT_METRICS, accuracy)
    write_table(paths.EXTRACT_HISTORY, history, HISTORY)
    print(
        f"train_extract: validation accuracy {initial['accuracy']:.4f}, "
        f"loss {initial['loss']:.4f} before; {final['accuracy']:.4f}, {final['loss']:.4f} "
        f"after {len(history)} epochs"
    )


if __name__ == "__main__":
    run_stage(main)
