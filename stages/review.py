"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Training images are judged by
cross-validation, the others by the model. Reads data/cross_validation.csv, data/predictions.csv
and data/predictions_validation.csv. Writes plots/likely_wrong_labels.csv.
Run: `python -m stages.review`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import JUDGED, LIKELY_WRONG_LABELS
from pawprint.entry import run_stage
from pawprint.evaluation.review import judge, list_suspects
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
    write_table(project.LIKELY_WRONG_LABELS_CSV, listed, LIKELY_WRONG_LABELS)
    print(f"review: {len(listed)} of {len(judged):,} labels are likely wrong")


if __name__ == "__main__":
    run_stage(main)
