"""Evaluate the served model on decoded images.

Reads data/raw/archives/, data/split/images.csv and models/served/. Params: `evaluate`. Writes
metrics/evaluate.json, plots/predictions.csv, plots/predictions_validation.csv,
plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import pandas as pd
from scipy.special import expit

from pawprint.core import paths
from pawprint.core.files import write_json
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
from pawprint.serving.predictor import load_predictor, predict_members


def main() -> None:
    params = load_params()
    predictor = load_predictor(paths.SERVED_MODEL)
    labels, threshold = predictor.metadata.labels, predictor.metadata.threshold
    confidence = params.evaluate.confidence
    rows = read_table(paths.SPLIT_IMAGES, SPLIT).query("split != 'train'")
    with open_archive(paths.RAW_IMAGES) as archive:
        outputs = predict_members(predictor.outputs, archive, rows["path"], "evaluate")
    probability, logits = outputs[:, :, 0].T
    actual = (rows["label"] == labels[1]).to_numpy(int)
    uncalibrated = expit(logits)
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
