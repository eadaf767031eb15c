"""Evaluate the saved model on decoded images: what is saved is what is evaluated.

Reads data/raw/archives/, data/split/images.csv, models/calibrated.keras and
metrics/calibrate.json. Params: `evaluate`. Writes metrics/evaluate.json, plots/predictions.csv,
plots/predictions_validation.csv, plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import numpy as np
from scipy.special import expit, logit

from pawprint.core import paths
from pawprint.core.files import read_csv, read_json, write_csv, write_json
from pawprint.core.params import load_params
from pawprint.evaluation.metrics import (
    PREDICTION_COLUMNS,
    RELIABILITY_COLUMNS,
    ROC_COLUMNS,
    describe,
    measure,
    measure_probabilities,
    tabulate,
    tabulate_reliability,
    tabulate_roc,
)
from pawprint.images.archive import open_archive
from pawprint.serving.classifier import load_classifier
from pawprint.serving.prediction import predict_rows


def main() -> None:
    params = load_params()
    classifier = load_classifier(paths.CALIBRATED_MODEL)
    labels, threshold = classifier.labels, classifier.threshold
    temperature = read_json(paths.CALIBRATE_METRICS)["temperature"]
    confidence = params.evaluate.confidence
    rows = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] != "train"]
    with open_archive(paths.RAW_IMAGES) as archive:
        probability = predict_rows(classifier, archive, rows, "evaluate")
    actual = np.array([labels.index(row["label"]) for row in rows])
    split = np.array([row["split"] for row in rows])
    uncalibrated = expit(logit(probability) * temperature)
    metrics: dict = {"threshold": threshold}
    reliabilities = []
    for name, file in (
        ("validation", paths.VALIDATION_PREDICTIONS),
        ("test", paths.PREDICTIONS),
    ):
        of_split = split == name
        of_actual, of_probability = actual[of_split], probability[of_split]
        metrics[name] = (
            measure(of_actual, of_probability, threshold, labels, confidence)
            | measure_probabilities(of_actual, of_probability)
            | {"uncalibrated": measure_probabilities(of_actual, uncalibrated[of_split])}
        )
        for calibrated, values in (("no", uncalibrated[of_split]), ("yes", of_probability)):
            reliabilities += [
                {"split": name, "calibrated": calibrated} | row
                for row in tabulate_reliability(of_actual, values, confidence)
            ]
        of_rows = [row for row in rows if row["split"] == name]
        predictions = tabulate(of_rows, of_probability, threshold, labels)
        write_csv(file, PREDICTION_COLUMNS, predictions)
    write_json(paths.EVALUATE_METRICS, metrics)
    write_csv(paths.RELIABILITY, RELIABILITY_COLUMNS, reliabilities)
    is_test = split == "test"
    write_csv(paths.ROC, ROC_COLUMNS, tabulate_roc(actual[is_test], probability[is_test]))
    for name in ("validation", "test"):
        print(f"evaluate: {describe(name, metrics[name], confidence)}")


if __name__ == "__main__":
    main()
