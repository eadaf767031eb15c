"""Draw the pictures of a run from the tables that other stages wrote.

Reads tables in plots/ and data/raw/archives/. Params: `plot`. Writes plots/*.png, except those of
the stage `preview`. Run: `python -m stages.plot`
"""

import pandas as pd

from pawprint.core import data_paths, data_tables, model_paths, result_paths, result_tables
from pawprint.core.entry import run_stage
from pawprint.core.params.plot import Plot
from pawprint.core.predictions import read_predictions
from pawprint.core.tables import read_table
from pawprint.images.archive import open_archive
from pawprint.reports.charts import draw_confusion, draw_curves, draw_reliability, draw_roc
from pawprint.reports.figures import save
from pawprint.reports.prediction_photos import (
    draw_errors,
    draw_likely_wrong_labels,
    draw_predictions,
)


def main() -> None:
    params = Plot.load()
    extract = read_table(model_paths.EXTRACT_HISTORY, data_tables.HISTORY)
    finetune = read_table(model_paths.FINETUNE_HISTORY, data_tables.HISTORY)
    roc = read_table(result_paths.ROC, result_tables.ROC)
    reliability = read_table(result_paths.RELIABILITY, result_tables.RELIABILITY)
    validation = read_predictions(result_paths.VALIDATION_PREDICTIONS)
    test = read_predictions(result_paths.PREDICTIONS)
    likely_wrong = read_table(result_paths.LIKELY_WRONG_LABELS, result_tables.LIKELY_WRONG_LABELS)
    save(draw_curves(extract, finetune), result_paths.CURVES_PLOT)
    save(draw_confusion(test), result_paths.CONFUSION_PLOT)
    save(draw_roc(roc), result_paths.ROC_PLOT)
    save(draw_reliability(reliability), result_paths.RELIABILITY_PLOT)
    with open_archive(data_paths.RAW_ARCHIVES) as archive:
        save(draw_predictions(archive, test, params.predictions), result_paths.PREDICTIONS_PLOT)
        held_out = pd.concat([validation, test])
        save(draw_errors(archive, held_out, params.errors), result_paths.ERRORS_PLOT)
        figure = draw_likely_wrong_labels(archive, likely_wrong, params.likely_wrong_labels)
        save(figure, result_paths.LIKELY_WRONG_LABELS_PLOT)
    print(f"plot: 7 pictures in {result_paths.CURVES_PLOT.parent}")


if __name__ == "__main__":
    run_stage(main)
