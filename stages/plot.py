"""Draw the pictures of a run from the tables that other stages wrote.

Reads data/predictions.csv, data/predictions_validation.csv, tables in plots/,
models/served/model.json and data/raw/archives/. Params: `plot`, `clean.bits`. Writes plots/*.png,
except those of the stage `preview`. Run: `python -m stages.plot`
"""

import pandas as pd

from pawprint import columns, project
from pawprint.images.archive import open_archive
from pawprint.model.metadata import read_metadata
from pawprint.params.data import Clean
from pawprint.params.results import Plot
from pawprint.pipeline.entry import run_stage
from pawprint.reports import charts
from pawprint.reports.photos import draw_errors, draw_labels_to_review, draw_predictions
from pawprint.tables import read_predictions, read_table


def main() -> None:
    params = Plot.load()
    extract = read_table(project.EXTRACT_HISTORY_CSV, columns.HISTORY)
    finetune = read_table(project.FINETUNE_HISTORY_CSV, columns.HISTORY)
    roc = read_table(project.ROC_CSV, columns.ROC)
    reliability = read_table(project.RELIABILITY_CSV, columns.RELIABILITY)
    validation = read_predictions(project.VALIDATION_PREDICTIONS_CSV)
    test = read_predictions(project.TEST_PREDICTIONS_CSV)
    to_review = read_table(project.LABELS_TO_REVIEW_CSV, columns.LABELS_TO_REVIEW)
    curve = read_table(project.LEARNING_CURVE_CSV, columns.LEARNING_CURVE)
    decided = read_table(project.DECIDED_CSV, columns.DECIDED)
    metadata = read_metadata(project.SERVED_MODEL)
    of_model = metadata.min_confidence, list(metadata.thresholds)
    figures = {
        "learning_curves": charts.draw_curves(extract, finetune, curve),
        "confusion": charts.draw_confusion(test),
        "roc": charts.draw_roc(roc),
        "decided": charts.draw_decided(decided, test, *of_model),
        "reliability": charts.draw_reliability(reliability),
    }
    with open_archive(project.RAW_ARCHIVES, Clean.load().bits) as archive:
        figures["predictions"] = draw_predictions(archive, test, params.predictions)
        figures["errors"] = draw_errors(archive, pd.concat([validation, test]), params.errors)
        suspects = draw_labels_to_review(archive, to_review, params.labels_to_review)
        figures["labels_to_review"] = suspects
    for name, figure in figures.items():
        charts.save(figure, project.PLOTS / f"{name}.png")
    print(f"plot: {len(figures)} pictures in {project.PLOTS}")


if __name__ == "__main__":
    run_stage(main)
