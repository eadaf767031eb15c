"""Paths of metrics, plots and pages."""

from pathlib import Path

EVALUATE_METRICS = Path("metrics/evaluate.json")
MODEL_CARD = Path("docs/model_card.md")
REPORT = Path("plots/report.html")
SAMPLES_PLOT = Path("plots/samples.png")
AUGMENTED_PLOT = Path("plots/augmented.png")
NEAR_DUPLICATES_PLOT = Path("plots/near_duplicates.png")
PREDICTIONS = Path("plots/predictions.csv")
VALIDATION_PREDICTIONS = Path("plots/predictions_validation.csv")
LIKELY_WRONG_LABELS = Path("plots/likely_wrong_labels.csv")
RELIABILITY = Path("plots/reliability.csv")
ROC = Path("plots/roc.csv")
SCORES = Path("plots/scores.csv")
CURVES_PLOT = Path("plots/learning_curves.png")
CONFUSION_PLOT = Path("plots/confusion.png")
RELIABILITY_PLOT = Path("plots/reliability.png")
ROC_PLOT = Path("plots/roc.png")
LIKELY_WRONG_LABELS_PLOT = Path("plots/likely_wrong_labels.png")
ERRORS_PLOT = Path("plots/errors.png")
PREDICTIONS_PLOT = Path("plots/predictions.png")
