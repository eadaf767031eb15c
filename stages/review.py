"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Training images are judged by
cross-validation, the others by the model. Reads data/cross_validation.csv, plots/predictions.csv
and plots/predictions_validation.csv. Writes plots/likely_wrong_labels.csv.
Run: `python -m stages.review`
"""

import pandas as pd

from pawprint import project
from pawprint.columns import LIKELY_WRONG_LABELS
from pawprint.entry import run_stage
from pawprint.evaluation.review import list_suspects
from pawprint.tables import read_predictions, write_table


def main() -> None:
    judged = pd.concat(
        read_predictions(file).assign(split=split)
        for split, file in (
            ("train", project.CROSS_VALIDATION_CSV),
            ("validation", project.VALIDATION_PREDICTIONS_CSV),
            ("test", project.TEST_PREDICTIONS_CSV),
        )
    )
    listed = list_suspects(judged)
    write_table(project.LIKELY_WRONG_LABELS_CSV, listed, LIKELY_WRONG_LABELS)
    print(f"review: {len(listed)} of {len(judged):,} labels are likely wrong")


if __name__ == "__main__":
    run_stage(main)
