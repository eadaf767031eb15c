"""Draw the pictures of a run from the tables that other stages wrote.

Reads data/probabilities.csv, data/probabilities_validation.csv, tables in plots/,
models/served/ and data/raw/archives/. Params: `plot`, `clean.bits`. Writes plots/*.png,
except those of the stage `preview`. Run: `python -m stages.plot`
"""

from inspect import signature

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
    params, metadata = Plot.load(), read_metadata(project.SERVED_MODEL)
    values = {
        "head": read_table(project.EXTRACT_HISTORY_CSV, columns.HISTORY),
        "finetune": read_table(project.FINETUNE_HISTORY_CSV, columns.HISTORY),
        "curve": read_table(project.LEARNING_CURVE_CSV, columns.LEARNING_CURVE),
        "roc": read_table(project.ROC_CSV, columns.ROC),
        "reliability": read_table(project.RELIABILITY_CSV, columns.RELIABILITY),
        "decided": read_table(project.DECIDED_CSV, columns.DECIDED),
        "test": read_predictions(project.TEST_PREDICTIONS_CSV),
        "min_confidence": metadata.min_confidence,
        "named": list(metadata.thresholds),
    }
    figures = {
        name: draw(**{key: values[key] for key in signature(draw).parameters})
        for name, draw in charts.CHARTS.items()
    }
    validation, test = read_predictions(project.VALIDATION_PREDICTIONS_CSV), values["test"]
    to_review = read_table(project.LABELS_TO_REVIEW_CSV, columns.LABELS_TO_REVIEW)
    with open_archive(project.RAW_ARCHIVES, Clean.load().bits) as archive:
        figures["predictions"] = draw_predictions(archive, test, params.predictions)
        figures["errors"] = draw_errors(archive, pd.concat([validation, test]), params.errors)
        number = params.labels_to_review
        figures["labels_to_review"] = draw_labels_to_review(archive, to_review, number)
    for name, figure in figures.items():
        charts.save(figure, project.PLOTS / f"{name}.png")
    print(f"plot: {len(figures)} pictures in {project.PLOTS}")


if __name__ == "__main__":
    run_stage(main)
