"""List labels with a low probability, for a person to review.

Corrections go into labels.csv, which `clean` applies. Training images are judged by
cross-validation, the others by the model. Reads data/cross_validation.csv, data/predictions.csv
and data/predictions_validation.csv. Writes plots/labels_to_review.csv.
Run: `python -m stages.review`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import JUDGED, LABELS_TO_REVIEW
from pawprint.pipeline.entry import run_stage
from pawprint.scores.review import judge, list_suspects
from pawprint.tables import (
    predicted_labels,
    probabilities_in,
    read_predictions,
    read_table,
    write_table,
)


def main() -> None:
    judged = [read_table(project.CROSS_VALIDATION_CSV, JUDGED).assign(split="train")]
    for split in ("validation", "test"):
        predictions = read_predictions(project.PREDICTIONS_CSV[split])
        images = predictions.rename(columns={"actual": "label"})
        known = probabilities_in(predictions), predicted_labels(predictions)
        judged.append(judge(images, *known).assign(split=split))
    judged = pd.concat(judged)
    listed = list_suspects(judged)
    write_table(project.LABELS_TO_REVIEW_CSV, listed, LABELS_TO_REVIEW)
    print(f"review: {len(listed)} of {len(judged):,} labels to review")


if __name__ == "__main__":
    run_stage(main)
