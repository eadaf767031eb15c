"""Evaluate the served model on decoded images.

Reads data/raw/archives/, data/split/images.csv, data/split/near_duplicates.csv,
data/clean/unknown.csv and models/served/. Params: `evaluate`. Writes data/predictions.csv,
data/predictions_validation.csv, metrics/evaluate.json, plots/scores.csv, plots/reliability.csv,
plots/roc.csv, and what Git keeps of the predictions, plots/predictions.csv and
plots/predictions_validation.csv.
Run: `python -m stages.evaluate`
"""

import pandas as pd
from PIL import Image

from pawprint import columns, project
from pawprint.classes import UNKNOWN, predicted_classes
from pawprint.entry import run_stage
from pawprint.evaluation import metrics
from pawprint.evaluation.shift import (
    compare_splits,
    describe_shift,
    independent,
    measure_apart,
)
from pawprint.files import write_json
from pawprint.images.archive import open_archive
from pawprint.params.results import Evaluate
from pawprint.serving.predictor import load_predictor, predict_members
from pawprint.tables import read_table, tabulate, write_predictions, write_table


def main() -> None:
    confidence = Evaluate.load().confidence
    predictor = load_predictor(project.SERVED_MODEL)
    labels, threshold = predictor.metadata.labels, predictor.metadata.unknown_threshold
    split = read_table(project.SPLIT_CSV, columns.SPLIT)
    images = {name: split[split["split"] == name] for name in ("validation", "test")}
    images[UNKNOWN] = read_table(project.UNKNOWN_CSV, columns.IMAGES)
    if threshold is None or images[UNKNOWN].empty:
        del images[UNKNOWN]

    def outputs(image: Image.Image) -> tuple:
        predicted = predictor.predict(image)  # whose features would take gigabytes
        return predicted.probabilities, predicted.unknown_score

    with open_archive(project.RAW_ARCHIVES, predictor.metadata.bits) as archive:
        predicted = {
            name: predict_members(outputs, archive, rows["path"], f"evaluate {name}")
            for name, rows in images.items()
        }
    near_duplicates = read_table(project.NEAR_DUPLICATES_CSV, columns.NEAR_DUPLICATES)
    scores, reliabilities, judged = [], [], {}
    for name in ("validation", "test"):
        rows = images[name]
        actual = pd.Index(labels).get_indexer(rows["label"])
        probabilities, unknown_scores = predicted[name]
        unknown_scores = None if threshold is None else unknown_scores
        classes = predicted_classes(probabilities, predictor.metadata.threshold)
        is_unknown = None if unknown_scores is None else unknown_scores > threshold
        measured = metrics.measure(actual, probabilities, classes, labels, confidence, is_unknown)
        scores.append(measured.assign(split=name))
        judged[name] = rows.assign(
            group=independent(split)[rows.index],
            correct=classes == actual,
            refused=False if is_unknown is None else is_unknown,
            confidence=probabilities[range(len(rows)), classes],
        )
        bins = metrics.tabulate_reliability(actual, probabilities, labels, confidence)
        reliabilities.append(bins.assign(split=name))
        table = tabulate(rows, probabilities, classes, labels, unknown_scores)
        write_predictions(project.PREDICTIONS_CSV[name], table)
        short = table.assign(image=table["pixels_sha256"].str[: columns.IMAGE_DIGITS])
        write_table(project.PREDICTED_CSV[name], short, columns.PREDICTED_CLASSES)
        if name == "test":
            curves = metrics.tabulate_roc(actual, probabilities, labels)
            write_table(project.ROC_CSV, curves, columns.ROC)
        print(f"evaluate: {metrics.describe(name, measured, confidence)}")
    apart = measure_apart(judged["test"], near_duplicates, confidence)
    differences = compare_splits(judged["validation"], judged["test"])
    scores += [rows.assign(split="test") for rows in (apart, differences)]
    if len(apart):
        print(f"evaluate: test accuracy {apart['value'].iloc[0]:.4f} without near-duplicates")
    if warning := describe_shift(differences):
        print(f"evaluate: {warning}")
    if UNKNOWN in images:
        no_class, known = (predicted[name][1] for name in (UNKNOWN, "test"))  # unknown scores
        measured = metrics.measure_unknown(no_class, known, threshold, confidence)
        scores.append(measured.assign(split="test"))
        refused = measured["value"].iloc[0]
        print(f"evaluate: refused {refused:.2%} of {len(no_class):,} images of no class")
    write_table(project.RELIABILITY_CSV, pd.concat(reliabilities), columns.RELIABILITY)
    write_table(project.SCORES_CSV, pd.concat(scores), columns.SCORES)
    write_json(project.EVALUATE_METRICS, metrics.summarize(pd.concat(scores)))


if __name__ == "__main__":
    run_stage(main)
