"""Evaluate the served model on decoded images.

Reads data/raw/archives/, data/split/images.csv and models/served/. Params: `evaluate`,
`calibrate.temperature`. Writes metrics/evaluate.json, plots/scores.csv, plots/predictions.csv,
plots/predictions_validation.csv, plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import numpy as np
import pandas as pd

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.params.calibrate import Calibrate
from pawprint.core.params.evaluate import Evaluate
from pawprint.core.tables import (
    RELIABILITY,
    ROC,
    SCORES,
    SPLIT,
    read_table,
    write_predictions,
    write_table,
)
from pawprint.evaluation.calibration import expected_calibration_error
from pawprint.evaluation.drawn_images import draw_images
from pawprint.evaluation.metrics import (
    describe,
    measure,
    measure_all,
    summarize,
    tabulate,
    tabulate_reliability,
    tabulate_roc,
)
from pawprint.evaluation.temperature import cross_fit, likelihood_ratio_test, probabilities_of
from pawprint.evaluation.unknown import measure_unknown
from pawprint.images.archive import open_archive
from pawprint.serving.predictor import load_predictor, predict_members
from pawprint.serving.probabilities import of_classes, predicted_classes


def main() -> None:
    calibrate, params = Calibrate.load(), Evaluate.load()
    predictor = load_predictor(paths.SERVED_MODEL)
    labels, threshold = predictor.metadata.labels, predictor.metadata.threshold
    confidence = params.confidence
    rows = read_table(paths.SPLIT_IMAGES, SPLIT).query("split != 'train'")
    with open_archive(paths.RAW_ARCHIVES) as archive:
        outputs = predict_members(
            lambda image: np.concatenate(predictor.outputs(image), axis=1),
            archive,
            rows["path"],
            "evaluate",
        )
    units, unknown_threshold = predictor.metadata.units, predictor.metadata.unknown_threshold
    drawn = []
    if unknown_threshold is not None:
        drawn = [predictor.predict(image).unknown_score for image in draw_images()]
    tables, reliabilities = [], []
    for name, file in (
        ("validation", paths.VALIDATION_PREDICTIONS),
        ("test", paths.PREDICTIONS),
    ):
        of_split = (rows["split"] == name).to_numpy()
        actual = pd.Index(labels).get_indexer(rows["label"][of_split])
        first, logits, score = np.split(outputs[of_split], [units, 2 * units], axis=2)
        probabilities = of_classes(first.mean(axis=1))
        uncalibrated = probabilities_of(logits)
        predicted = predicted_classes(probabilities, threshold)
        others = measure_all(actual, probabilities, uncalibrated)
        if name == "validation":
            # Of images that the temperature was not fitted on.
            crossed = cross_fit(actual, logits) if calibrate.temperature else uncalibrated
            others["cross_fitted_calibration_error"] = expected_calibration_error(actual, crossed)
            others["temperature_p_value"] = likelihood_ratio_test(
                others["uncalibrated_loss"], others["loss"], len(actual)
            )
        scores = measure(actual, probabilities, predicted, labels, confidence, others)
        tables.append(scores.assign(split=name))
        if drawn:
            is_correct = predicted == actual
            unknown = measure_unknown(
                is_correct, score.mean(axis=(1, 2)), np.array(drawn), unknown_threshold, confidence
            )
            tables.append(unknown.assign(split=name))
        for calibrated, values in (("no", uncalibrated), ("yes", probabilities)):
            table = tabulate_reliability(actual, values, labels, confidence)
            reliabilities.append(table.assign(split=name, calibrated=calibrated))
        write_predictions(file, tabulate(rows[of_split], probabilities, predicted, labels))
        if name == "test":
            write_table(paths.ROC, tabulate_roc(actual, probabilities, labels), ROC)
        print(f"evaluate: {describe(name, scores, confidence)}")
    write_table(paths.RELIABILITY, pd.concat(reliabilities), RELIABILITY)
    write_table(paths.SCORES, pd.concat(tables), SCORES)
    write_json(paths.EVALUATE_METRICS, summarize(pd.concat(tables)))


if __name__ == "__main__":
    run_stage(main)
