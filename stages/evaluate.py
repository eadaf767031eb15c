"""Score the served model on the outputs for held-out images; list labels to review.

Labels with a low probability are for a person to review: of training images by cross-validation, of
the others by the model. Images in labels.csv are not listed again.
Reads test.npz, unknown.npz and validation.npz in data/outputs/, data/clean/metadata.csv, images.csv
and near_duplicates.csv in data/split/, data/cross_validation.csv, labels.csv and models/served/.
Params: `evaluate`. Writes data/probabilities.csv of test images, data/probabilities_validation.csv,
metrics/evaluate.json, plots/scores.csv, plots/reliability.csv, plots/roc.csv, plots/decided.csv,
plots/labels_to_review.csv, and what Git keeps of the predictions, plots/predictions.csv and
plots/predictions_validation.csv. Run: `python -m stages.evaluate`
"""

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.classes import UNKNOWN
from pawprint.dataset.user_tables import LABEL_COLUMNS, read_csv_rows, spellings
from pawprint.files import write_json
from pawprint.model.metadata import Outputs, read_metadata
from pawprint.params.model import Evaluate
from pawprint.pipeline.entry import run_stage
from pawprint.scores import metrics
from pawprint.scores.predictions import evaluate, judge, list_suspects
from pawprint.scores.shift import (
    compare_splits,
    describe_shift,
    describe_slices,
    independent,
    measure_apart,
    measure_slices,
)
from pawprint.tables import (
    losses_in,
    predicted_labels,
    probabilities_in,
    read_table,
    with_image,
    write_predictions,
    write_table,
)

SPLITS = ("validation", "test")


def main() -> None:
    confidence, metadata = Evaluate.load().confidence, read_metadata(project.SERVED_MODEL)
    split = read_table(project.SPLIT_CSV, project.SPLIT)
    near_duplicates = read_table(project.NEAR_DUPLICATES_CSV, project.NEAR_DUPLICATES)
    split["group"] = independent(split)
    names = (*SPLITS, UNKNOWN)
    outputs = {name: Outputs.read(project.OUTPUTS / f"{name}.npz") for name in names}
    results = {}
    for name in SPLITS:
        rows = split[split["split"] == name]
        results[name] = evaluate(rows, outputs[name], metadata, confidence)
        of = results[name].scores, confidence
        for label in metadata.thresholds:
            of_class = f"{name} {label}:", metrics.OF_A_CLASS
            print(f"evaluate: {metrics.describe_fractions(*of_class, *of, label)}")
        if metadata.min_confidence is not None:
            print(f"evaluate: {metrics.describe_fractions(name, metrics.OF_DECIDED, *of)}")
    validation, test = results.values()
    apart = measure_apart(test.images, near_duplicates, confidence)
    differences = compare_splits(validation.images, test.images)
    metadata_csv = read_table(project.METADATA_CSV, project.METADATA)
    slices = measure_slices(test.images, metadata_csv, confidence)
    of_test = [test.scores, apart, differences, slices]
    if len(apart):
        print(f"evaluate: test accuracy {apart['value'].iloc[0]:.4f} without near-duplicates")
    if warning := describe_shift(differences):
        print(f"evaluate: {warning}")
    for line in describe_slices(slices):
        print(f"evaluate: {line}")
    threshold = metadata.unknown_threshold
    if threshold is not None and len(outputs[UNKNOWN].actual):
        unknown, known = (outputs[name].unknown_scores for name in (UNKNOWN, "test"))
        groups = np.append(np.arange(len(unknown)).astype(str), test.images["group"])
        of_test.append(metrics.measure_unknown(unknown, known, threshold, confidence, groups))
        refused = of_test[-1]["value"].iloc[0]
        print(f"evaluate: refused {refused:.2%} of {len(unknown):,} unknown images")
    scores = pd.concat(
        [validation.scores.assign(split="validation"), pd.concat(of_test).assign(split="test")]
    ).astype(project.SCORES)
    reliability = [result.reliability.assign(split=name) for name, result in results.items()]
    for name, result in results.items():
        write_predictions(project.PREDICTIONS_CSV[name], result.predictions)
        short = with_image(result.predictions).assign(loss=losses_in(result.predictions))
        write_table(project.PREDICTED_CSV[name], short, project.PREDICTED_CLASSES)
    write_table(project.RELIABILITY_CSV, pd.concat(reliability), project.RELIABILITY)
    write_table(project.ROC_CSV, test.roc, project.ROC)
    write_table(project.DECIDED_CSV, test.decided, project.DECIDED)
    write_table(project.SCORES_CSV, scores, project.SCORES)
    write_json(project.EVALUATE_METRICS, metrics.summarize(scores))
    suspects = find_suspects({name: result.predictions for name, result in results.items()})
    write_table(project.LABELS_TO_REVIEW_CSV, suspects, project.LABELS_TO_REVIEW)
    right = (
        f"{result.images['correct'].sum():,} of {len(result.images):,} {name}"
        for name, result in results.items()
    )
    print(f"evaluate: right for {' and '.join(right)} images; {len(suspects):,} labels to review")


def find_suspects(predictions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the table LABELS_TO_REVIEW; `predictions` has tables PREDICTIONS by split."""
    judged = [read_table(project.CROSS_VALIDATION_CSV, project.JUDGED).assign(split="train")]
    for name, table in predictions.items():
        images = table.rename(columns={"actual": "label"})
        of_split = judge(images, probabilities_in(table), predicted_labels(table))
        judged.append(of_split.assign(split=name))
    reviewed = set()
    for _, row in read_csv_rows(project.LABELS_CSV, LABEL_COLUMNS):
        hashes = [sha256] if (sha256 := row.get("pixels_sha256")) else spellings(row["path"])
        reviewed.update(hashes)
    return list_suspects(pd.concat(judged), reviewed)


if __name__ == "__main__":
    run_stage(main)
