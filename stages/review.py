"""List labels with a low probability, for a person to review.

Corrections go into labels.csv, which `clean` applies. Training images are judged by
cross-validation, the others by the model. Images in labels.csv are not listed again. Reads
data/cross_validation.csv, data/probabilities.csv, data/probabilities_validation.csv and labels.csv.
Writes plots/labels_to_review.csv.
Run: `python -m stages.review`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import JUDGED, LABELS_TO_REVIEW
from pawprint.dataset.user_tables import LABEL_COLUMNS
from pawprint.pipeline.entry import run_stage
from pawprint.scores.review import judge, list_suspects
from pawprint.tables import (
    predicted_labels,
    probabilities_in,
    read_csv_rows,
    read_predictions,
    read_table,
    spellings,
    write_table,
)


def main() -> None:
    judged = [read_table(project.CROSS_VALIDATION_CSV, JUDGED).assign(split="train")]
    for split in ("validation", "test"):
        predictions = read_predictions(project.PREDICTIONS_CSV[split])
        images = predictions.rename(columns={"actual": "label"})
        labels = predicted_labels(predictions)
        judged.append(judge(images, probabilities_in(predictions), labels).assign(split=split))
    judged = pd.concat(judged)
    rows = [row for _, row in read_csv_rows(project.LABELS_CSV, LABEL_COLUMNS)]
    reviewed = set()
    for row in rows:
        reviewed.update(
            [sha256] if (sha256 := row.get("pixels_sha256")) else spellings(row["path"])
        )
    suspects = list_suspects(judged, reviewed)
    write_table(project.LABELS_TO_REVIEW_CSV, suspects, LABELS_TO_REVIEW)
    print(f"review: {len(suspects)} of {len(judged):,} labels to review")


if __name__ == "__main__":
    run_stage(main)
