"""Draw the pictures of a run from the tables that other stages wrote.

Reads data/predictions.csv, data/predictions_validation.csv, tables in plots/, and
data/raw/archives/. Params: `plot`, `clean.bits`. Writes plots/*.png, except those of the stage
`preview`. Run: `python -m stages.plot`
"""

import pandas as pd

from pawprint import columns, project
from pawprint.images.archive import open_archive
from pawprint.params.data import Clean
from pawprint.params.results import Plot
from pawprint.pipeline.entry import run_stage
from pawprint.reports.charts import draw_confusion, draw_curves, draw_reliability, draw_roc, save
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
    save(draw_curves(extract, finetune, curve), project.PLOTS / "learning_curves.png")
    save(draw_confusion(test), project.PLOTS / "confusion.png")
    save(draw_roc(roc), project.PLOTS / "roc.png")
    save(draw_reliability(reliability), project.PLOTS / "reliability.png")
    with open_archive(project.RAW_ARCHIVES, Clean.load().bits) as archive:
        save(draw_predictions(archive, test, params.predictions), project.PLOTS / "predictions.png")
        held_out = pd.concat([validation, test])
        save(draw_errors(archive, held_out, params.errors), project.PLOTS / "errors.png")
        figure = draw_labels_to_review(archive, to_review, params.labels_to_review)
        save(figure, project.PLOTS / "labels_to_review.png")
    print(f"plot: 7 pictures in {project.PLOTS}")


if __name__ == "__main__":
    run_stage(main)
