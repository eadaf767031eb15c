"""Where every artifact lives, relative to the project root. `dvc.yaml` names the same paths."""

from pathlib import Path

RAW_IMAGES = Path("data/raw/images.zip")
RAW_WEIGHTS = Path("data/raw/weights.h5")
CLEAN_IMAGES = Path("data/clean/images.csv")
CLEAN_REJECTED = Path("data/clean/rejected.csv")
SPLIT_IMAGES = Path("data/split/images.csv")
FEATURES = Path("data/features")

EXTRACT_MODEL = Path("models/extract.keras")
FINETUNE_MODEL = Path("models/finetune.keras")
EXPORT = Path("models/export")

CLEAN_METRICS = Path("metrics/clean.json")
SPLIT_METRICS = Path("metrics/split.json")
EXTRACT_METRICS = Path("metrics/train_extract.json")
FINETUNE_METRICS = Path("metrics/train_finetune.json")
EVALUATE_METRICS = Path("metrics/evaluate.json")

SAMPLES_PLOT = Path("plots/samples.png")
AUGMENTED_PLOT = Path("plots/augmented.png")
EXTRACT_HISTORY = Path("plots/history_extract.csv")
FINETUNE_HISTORY = Path("plots/history_finetune.csv")
PREDICTIONS = Path("plots/predictions.csv")
ROC = Path("plots/roc.csv")
CURVES_PLOT = Path("plots/learning_curves.png")
CONFUSION_PLOT = Path("plots/confusion.png")
ROC_PLOT = Path("plots/roc.png")
CLASSES_PLOT = Path("plots/class_counts.png")
PREDICTIONS_PLOT = Path("plots/predictions.png")
