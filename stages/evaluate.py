"""Evaluate the served model on decoded images.

Reads data/raw/archives/, data/split/images.csv, data/clean/unknown.csv and models/served/. Params:
`evaluate`. Writes metrics/evaluate.json, plots/scores.csv, plots/predictions.csv,
plots/predictions_validation.csv, plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import numpy as np
import pandas as pd
from PIL import Image

from pawprint.core import data_paths, data_tables, model_paths, result_paths, result_tables
from pawprint.core.entry import run_stage
from pawprint.core.files import write_json
from pawprint.core.labels import UNKNOWN
from pawprint.core.params.evaluate import Evaluate
from pawprint.core.predictions import tabulate, write_predictions
from pawprint.core.tables import read_table, write_table
from pawprint.evaluation import metrics
from pawprint.images.archive import open_archive
from pawprint.serving.predictor import load_predictor, predict_members
from pawprint.serving.probabilities import of_classes, predicted_classes


def main() -> None:
    confidence = Evaluate.load().confidence
    predictor = load_predictor(model_paths.SERVED_MODEL)
    metadata = predictor.metadata
    labels, threshold = metadata.labels, metadata.unknown_threshold
    split = read_table(data_paths.SPLIT_IMAGES, data_tables.SPLIT)
    of_no_class = read_table(data_paths.CLEAN_UNKNOWN, data_tables.IMAGES)
    answers = ["probability"] if threshold is None else ["probability", "unknown_score"]
    scores, reliabilities = [], []
    with open_archive(data_paths.RAW_ARCHIVES) as archive:

        def answer(image: Image.Image) -> np.ndarray:
            outputs = predictor.outputs(image)
            return np.concatenate([outputs[name] for name in answers], axis=1).mean(axis=0)

        def outputs_of(name: str, paths: pd.Series) -> np.ndarray:
            return predict_members(answer, archive, paths, f"evaluate {name}")

        for name, file in (
            ("validation", result_paths.VALIDATION_PREDICTIONS),
            ("test", result_paths.PREDICTIONS),
        ):
            rows = split[split["split"] == name]
            outputs = outputs_of(name, rows["path"])
            actual = pd.Index(labels).get_indexer(rows["label"])
            probabilities = of_classes(outputs[:, : metadata.units])
            predicted = predicted_classes(probabilities, metadata.threshold)
            unknown = None if threshold is None else outputs[:, -1] > threshold
            measured = metrics.measure(
                actual, probabilities, predicted, labels, confidence, unknown
            )
            scores.append(measured.assign(split=name))
            bins = metrics.tabulate_reliability(actual, probabilities, labels, confidence)
            reliabilities.append(bins.assign(split=name))
            write_predictions(file, tabulate(rows, probabilities, predicted, labels))
            if name == "test":
                curves = metrics.tabulate_roc(actual, probabilities, labels)
                write_table(result_paths.ROC, curves, result_tables.ROC)
            print(f"evaluate: {metrics.describe(name, measured, confidence)}")
        if threshold is not None and len(of_no_class):
            pair = outputs_of(UNKNOWN, of_no_class["path"])[:, -1], outputs[:, -1]
            measured = metrics.measure_unknown(*pair, threshold, confidence)
            scores.append(measured.assign(split="test"))
            refused = measured["value"].iloc[0]
            print(f"evaluate: refused {refused:.2%} of {len(of_no_class):,} images of no class")
    write_table(result_paths.RELIABILITY, pd.concat(reliabilities), result_tables.RELIABILITY)
    write_table(result_paths.SCORES, pd.concat(scores), result_tables.SCORES)
    write_json(result_paths.EVALUATE_METRICS, metrics.summarize(pd.concat(scores)))


if __name__ == "__main__":
    run_stage(main)
