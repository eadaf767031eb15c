"""Evaluate the served model on decoded images.

Reads data/raw/archives/, data/split/images.csv and models/served/. Params: `evaluate`. Writes
metrics/evaluate.json, plots/predictions.csv, plots/predictions_validation.csv,
plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import numpy as np
from scipy.special import expit

from pawprint.core import paths
from pawprint.core.files import read_csv, write_csv, write_json
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
from pawprint.serving.predictor import load_predictor, predict_members


def main() -> None:
    params = load_params()
    predictor = load_predictor(paths.SERVED_MODEL)
    labels, threshold = predictor.metadata.labels, predictor.metadata.threshold
    confidence = params.evaluate.confidence
    rows = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] != "train"]
    with open_archive(paths.RAW_IMAGES) as archive:
        outputs = predict_members(
            predictor.outputs, archive, [row["path"] for row in rows], "evaluate"
        )
    probability, logits = outputs.T
    actual = np.array([labels.index(row["label"]) for row in rows])
    split = np.array([row["split"] for row in rows])
    uncalibrated = expit(logits)
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
