"""Draw the pictures of a run from the tables that other stages wrote.

Reads data/probabilities.csv, data/probabilities_validation.csv, tables in plots/,
models/served/ and data/raw/archives/. Params: `clean.bits`. Writes plots/*.png,
except what the stage `preview` writes. Run: `python -m stages.plot`
"""

import pandas as pd

from pawprint import project
from pawprint.images.archive import open_archive
from pawprint.model.metadata import read_metadata
from pawprint.params.data import Clean
from pawprint.pipeline.entry import run_stage
from pawprint.reports.charts import (
    draw_confusion,
    draw_decided,
    draw_learning_curves,
    draw_reliability,
    draw_roc,
    save,
)
from pawprint.reports.photos import draw_errors, draw_labels_to_review, draw_predictions
from pawprint.tables import read_predictions, read_table


def main() -> None:
    """Draw the pictures of the run."""
    metadata = read_metadata(project.SERVED_MODEL)
    test = read_predictions(project.TEST_PREDICTIONS_CSV)
    validation = read_predictions(project.VALIDATION_PREDICTIONS_CSV)
    figures = {
        "learning_curves": draw_learning_curves(
            read_table(project.EXTRACT_HISTORY_CSV, project.HISTORY),
            read_table(project.FINETUNE_HISTORY_CSV, project.HISTORY),
            read_table(project.LEARNING_CURVE_CSV, project.LEARNING_CURVE),
        ),
        "confusion": draw_confusion(test),
        "roc": draw_roc(read_table(project.ROC_CSV, project.ROC)),
        "reliability": draw_reliability(read_table(project.RELIABILITY_CSV, project.RELIABILITY)),
        "decided": draw_decided(
            read_table(project.DECIDED_CSV, project.DECIDED),
            test,
            metadata.min_confidence,
            list(metadata.thresholds),
        ),
    }
    to_review = read_table(project.LABELS_TO_REVIEW_CSV, project.LABELS_TO_REVIEW)
    with open_archive(project.RAW_ARCHIVES, Clean.load().bits) as archive:
        figures["predictions"] = draw_predictions(archive, test)
        figures["errors"] = draw_errors(archive, pd.concat([validation, test]))
        figures["labels_to_review"] = draw_labels_to_review(archive, to_review)
    for name, figure in figures.items():
        save(figure, project.PLOTS / f"{name}.png")
    print(f"plot: {len(figures)} pictures in {project.PLOTS}")


if __name__ == "__main__":
    run_stage(main)
