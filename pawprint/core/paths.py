"""The path of every artifact, relative to the project root, as in `dvc.yaml`."""

from pathlib import Path

PARAMS = Path("params.yaml")
LABELS = Path("labels.csv")
CODE = Path("data/code")
FEATURE_ROW_CODE = CODE / "feature_row.txt"
RAW_ARCHIVES = Path("data/raw/archives")
RAW_IMAGES = RAW_ARCHIVES / "images.zip"  # or images-001.zip and so on
CLEAN_IMAGES = Path("data/clean/images.csv")
CLEAN_REJECTED = Path("data/clean/rejected.csv")
SPLIT_IMAGES = Path("data/split/images.csv")
NEAR_DUPLICATES = Path("data/split/near_duplicates.csv")
FEATURES = Path("data/features")
FEATURES_ORIGIN = Path("data/features.json")
# Outside of the outputs, because DVC deletes those before a stage runs.
INTERRUPTED_FEATURES = Path(".dvc/tmp/pawprint")

BACKBONE = Path("models/backbone/network.keras")
EXTRACTOR = Path("models/extractor/network.xml")
EXTRACT_MODEL = Path("models/extract.keras")
FINETUNE_MODEL = Path("models/finetune.keras")
NETWORK = Path("models/network/network.xml")
SERVED_MODEL = Path("models/served")
EXPORT = Path("models/export")  # of `python -m pawprint export`

CLEAN_METRICS = Path("metrics/clean.json")
SPLIT_METRICS = Path("metrics/split.json")
EXTRACT_METRICS = Path("metrics/train_extract.json")
SEEDS_METRICS = Path("metrics/seeds.json")  # of `python -m pawprint seeds`
EVALUATE_METRICS = Path("metrics/evaluate.json")

MODEL_CARD = Path("docs/model_card.md")
REPORT = Path("plots/report.html")
SAMPLES_PLOT = Path("plots/samples.png")
AUGMENTED_PLOT = Path("plots/augmented.png")
NEAR_DUPLICATES_PLOT = Path("plots/near_duplicates.png")
EXTRACT_HISTORY = Path("plots/history_extract.csv")
FINETUNE_HISTORY = Path("plots/history_finetune.csv")
PREDICTIONS = Path("plots/predictions.csv")
VALIDATION_PREDICTIONS = Path("plots/predictions_validation.csv")
LIKELY_WRONG_LABELS = Path("plots/likely_wrong_labels.csv")
RELIABILITY = Path("plots/reliability.csv")
ROC = Path("plots/roc.csv")
SCORES = Path("plots/scores.csv")
# What tells the run of one seed from that of another: its training, and all its scores.
SEED_OUTPUTS = (EXTRACT_HISTORY, FINETUNE_HISTORY, SCORES)
CURVES_PLOT = Path("plots/learning_curves.png")
CONFUSION_PLOT = Path("plots/confusion.png")
RELIABILITY_PLOT = Path("plots/reliability.png")
ROC_PLOT = Path("plots/roc.png")
CLASSES_PLOT = Path("plots/class_counts.png")
LIKELY_WRONG_LABELS_PLOT = Path("plots/likely_wrong_labels.png")
ERRORS_PLOT = Path("plots/errors.png")
PREDICTIONS_PLOT = Path("plots/predictions.png")
