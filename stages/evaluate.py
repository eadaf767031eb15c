"""Evaluate the served model on decoded images.

Reads data/raw/archives/, data/split/images.csv, data/clean/unknown.csv and models/served/. Params:
`evaluate`. Writes metrics/evaluate.json, plots/scores.csv, plots/predictions.csv,
plots/predictions_validation.csv, plots/reliability.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import columns, project
from pawprint.entry import run_stage
from pawprint.evaluation import metrics
from pawprint.files import write_json
from pawprint.images.archive import open_archive
from pawprint.labels import UNKNOWN
from pawprint.params.results import Evaluate
from pawprint.serving.predictor import (
    class_probabilities,
    load_predictor,
    predict_members,
    predicted_classes,
)
from pawprint.tables import read_table, tabulate, write_predictions, write_table


def main() -> None:
    confidence = Evaluate.load().confidence
    predictor = load_predictor(project.SERVED_MODEL)
    metadata = predictor.metadata
    labels, threshold = metadata.labels, metadata.unknown_threshold
    split = read_table(project.SPLIT_CSV, columns.SPLIT)
    of_no_class = read_table(project.UNKNOWN_CSV, columns.IMAGES)
    answers = ["probability"] if threshold is None else ["probability", "unknown_score"]
    scores, reliabilities = [], []
    with open_archive(project.RAW_ARCHIVES) as archive:

        def answer(image: Image.Image) -> np.ndarray:
            outputs = predictor.outputs(image)
            return np.concatenate([outputs[name] for name in answers], axis=1).mean(axis=0)

        def outputs_of(name: str, paths: pd.Series) -> np.ndarray:
            return predict_members(answer, archive, paths, f"evaluate {name}")

        for name, file in (
            ("validation", project.VALIDATION_PREDICTIONS_CSV),
            ("test", project.TEST_PREDICTIONS_CSV),
        ):
            rows = split[split["split"] == name]
            outputs = outputs_of(name, rows["path"])
            actual = pd.Index(labels).get_indexer(rows["label"])
            probabilities = class_probabilities(outputs[:, : metadata.units])
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
                write_table(project.ROC_CSV, curves, columns.ROC)
            print(f"evaluate: {metrics.describe(name, measured, confidence)}")
        if threshold is not None and len(of_no_class):
            pair = outputs_of(UNKNOWN, of_no_class["path"])[:, -1], outputs[:, -1]
            measured = metrics.measure_unknown(*pair, threshold, confidence)
            scores.append(measured.assign(split="test"))
            refused = measured["value"].iloc[0]
            print(f"evaluate: refused {refused:.2%} of {len(of_no_class):,} images of no class")
    write_table(project.RELIABILITY_CSV, pd.concat(reliabilities), columns.RELIABILITY)
    write_table(project.SCORES_CSV, pd.concat(scores), columns.SCORES)
    write_json(project.EVALUATE_METRICS, metrics.summarize(pd.concat(scores)))


if __name__ == "__main__":
    run_stage(main)
