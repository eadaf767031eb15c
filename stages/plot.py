"""Draw the pictures of a run from the tables that other stages wrote.

Reads data/predictions.csv, data/predictions_validation.csv, tables in plots/, and
data/raw/archives/. Params: `plot`. Writes plots/*.png, except those of the stage `preview`. Run:
`python -m stages.plot`
"""

import pandas as pd

from pawprint import columns, project
from pawprint.entry import run_stage
from pawprint.images.archive import open_archive
from pawprint.params.results import Plot
from pawprint.reports.charts import draw_confusion, draw_curves, draw_reliability, draw_roc, save
from pawprint.reports.photos import draw_errors, draw_likely_wrong_labels, draw_predictions
from pawprint.tables import read_predictions, read_table


def main() -> None:
    params = Plot.load()
    extract = read_table(project.EXTRACT_HISTORY_CSV, columns.HISTORY)
    finetune = read_table(project.FINETUNE_HISTORY_CSV, columns.HISTORY)
    roc = read_table(project.ROC_CSV, columns.ROC)
    reliability = read_table(project.RELIABILITY_CSV, columns.RELIABILITY)
    validation = read_predictions(project.VALIDATION_PREDICTIONS_CSV)
    test = read_predictions(project.TEST_PREDICTIONS_CSV)
    likely_wrong = read_table(project.LIKELY_WRONG_LABELS_CSV, columns.LIKELY_WRONG_LABELS)
    save(draw_curves(extract, finetune), project.CURVES_PLOT)
    save(draw_confusion(test), project.CONFUSION_PLOT)
    save(draw_roc(roc), project.ROC_PLOT)
    save(draw_reliability(reliability), project.RELIABILITY_PLOT)
    with open_archive(project.RAW_ARCHIVES) as archive:
        save(draw_predictions(archive, test, params.predictions), project.PREDICTIONS_PLOT)
        held_out = pd.concat([validation, test])
        save(draw_errors(archive, held_out, params.errors), project.ERRORS_PLOT)
        figure = draw_likely_wrong_labels(archive, likely_wrong, params.likely_wrong_labels)
        save(figure, project.LIKELY_WRONG_LABELS_PLOT)
    print(f"plot: 7 pictures in {project.CURVES_PLOT.parent}")


if __name__ == "__main__":
    run_stage(main)
