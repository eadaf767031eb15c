"""Paths of models and of what training records."""

from pathlib import Path

BACKBONE = Path("models/backbone/network.keras")
ONNX_BACKBONE = Path("models/backbone/network.xml")  # of an ONNX file, as OpenVINO has it
HEAD = Path("models/head.npz")
CROSS_VALIDATION = Path("data/cross_validation.csv")
EXTRACT_METRICS = Path("metrics/train_extract.json")
EXTRACT_HISTORY = Path("plots/history_extract.csv")
FINETUNE_MODEL = Path("models/finetune.keras")
FINETUNE_HISTORY = Path("plots/history_finetune.csv")
NETWORK = Path("models/network/network.xml")
SERVED_MODEL = Path("models/served")
EXAMPLE_MODEL = Path("examples/cats_and_dogs")  # in Git: the served model of the committed results
EXPORT = Path("models/export")  # of `python -m pawprint export`
