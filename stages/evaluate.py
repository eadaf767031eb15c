"""Evaluate the saved model on decoded images: what is saved is what is evaluated.

Reads data/raw/archives/, data/split/images.csv, models/calibrated.keras and
metrics/calibrate.json. Params: `evaluate`. Writes metrics/evaluate.json, plots/predictions.csv,
plots/predictions_validation.csv, plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from pawprint.core import paths
from pawprint.core.files import read_json, write_json
from pawprint.core.params import load_params
from pawprint.core.tables import PREDICTIONS, RELIABILITY, ROC, SPLIT, read_table, write_table
from pawprint.evaluation.metrics import (
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
    rows = read_table(paths.SPLIT_IMAGES, SPLIT).query("split != 'train'")
    with open_archive(paths.RAW_IMAGES) as archive:
        probability = predict_rows(classifier, archive, rows.to_dict("records"), "evaluate")
    actual = np.array([labels.index(label) for label in rows["label"]])
    uncalibrated = expit(logit(probability) * temperature)
    metrics: dict = {"threshold": threshold}
    reliabilities = []
    for name, file in (
        ("validation", paths.VALIDATION_PREDICTIONS),
        ("test", paths.PREDICTIONS),
    ):
        of_split = (rows["split"] == name).to_numpy()
        of_actual, of_probability = actual[of_split], probability[of_split]
        metrics[name] = (
            measure(of_actual, of_probability, threshold, labels, confidence)
            | measure_probabilities(of_actual, of_probability)
            | {"uncalibrated": measure_probabilities(of_actual, uncalibrated[of_split])}
        )
        for calibrated, values in (("no", uncalibrated[of_split]), ("yes", of_probability)):
            table = tabulate_reliability(of_actual, values, confidence)
            reliabilities.append(table.assign(split=name, calibrated=calibrated))
        predictions = tabulate(rows[of_split], of_probability, threshold, labels)
        write_table(file, predictions, PREDICTIONS)
    write_json(paths.EVALUATE_METRICS, metrics)
    write_table(paths.RELIABILITY, pd.concat(reliabilities), RELIABILITY)
    is_test = (rows["split"] == "test").to_numpy()
    write_table(paths.ROC, tabulate_roc(actual[is_test], probability[is_test]), ROC)
    for name in ("validation", "test"):
        print(f"evaluate: {describe(name, metrics[name], confidence)}")


if __name__ == "__main__":
    main()
