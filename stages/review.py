"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Training images are judged by
cross-validation, the others by the model. Reads data/cross_validation.csv, plots/predictions.csv
and plots/predictions_validation.csv. Writes plots/likely_wrong_labels.csv.
Run: `python -m stages.review`
"""

import pandas as pd

from pawprint.core import model_paths, result_paths
from pawprint.core.entry import run_stage
from pawprint.core.predictions import read_predictions
from pawprint.core.result_tables import LIKELY_WRONG_LABELS
from pawprint.core.tables import write_table
from pawprint.evaluation.label_review import list_suspects


def main() -> None:
    judged = pd.concat(
        read_predictions(file).assign(split=split)
        for split, file in (
            ("train", model_paths.CROSS_VALIDATION),
            ("validation", result_paths.VALIDATION_PREDICTIONS),
            ("test", result_paths.PREDICTIONS),
        )
    )
    listed = list_suspects(judged)
    write_table(result_paths.LIKELY_WRONG_LABELS, listed, LIKELY_WRONG_LABELS)
    print(f"review: {len(listed)} of {len(judged):,} labels are likely wrong")


if __name__ == "__main__":
    run_stage(main)
