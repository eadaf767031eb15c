"""Draw the pictures of a run from the tables that other stages wrote.

Reads tables in plots/, data/split/images.csv and data/raw/archives/. Params: `plot`. Writes
plots/*.png, except those of the stage `preview`. Run: `python -m stages.plot`
"""

import pandas as pd

from pawprint.core import paths, tables
from pawprint.core.entry import run_stage
from pawprint.core.params.plot import Plot
from pawprint.core.tables import read_predictions, read_table
from pawprint.images.archive import open_archive
from pawprint.reports.charts import (
    draw_class_counts,
    draw_confusion,
    draw_curves,
    draw_reliability,
    draw_roc,
)
from pawprint.reports.figures import save
from pawprint.reports.prediction_photos import (
    draw_errors,
    draw_likely_wrong_labels,
    draw_predictions,
)


def main() -> None:
    params = Plot.load()
    extract = read_table(paths.EXTRACT_HISTORY, tables.HISTORY)
    finetune = read_table(paths.FINETUNE_HISTORY, tables.HISTORY)
    images = read_table(paths.SPLIT_IMAGES, tables.SPLIT)
    roc = read_table(paths.ROC, tables.ROC)
    reliability = read_table(paths.RELIABILITY, tables.RELIABILITY)
    validation = read_predictions(paths.VALIDATION_PREDICTIONS)
    test = read_predictions(paths.PREDICTIONS)
    likely_wrong = read_table(paths.LIKELY_WRONG_LABELS, tables.LIKELY_WRONG_LABELS)
    save(draw_curves(extract, finetune), paths.CURVES_PLOT)
    save(draw_class_counts(images), paths.CLASSES_PLOT)
    save(draw_confusion(test), paths.CONFUSION_PLOT)
    save(draw_roc(roc), paths.ROC_PLOT)
    save(draw_reliability(reliability), paths.RELIABILITY_PLOT)
    with open_archive(paths.RAW_ARCHIVES) as archive:
        save(draw_predictions(archive, test, params.predictions), paths.PREDICTIONS_PLOT)
        held_out = pd.concat([validation, test])
        save(draw_errors(archive, held_out, params.errors), paths.ERRORS_PLOT)
        figure = draw_likely_wrong_labels(archive, likely_wrong, params.likely_wrong_labels)
        save(figure, paths.LIKELY_WRONG_LABELS_PLOT)
    print(f"plot: 8 pictures in {paths.CURVES_PLOT.parent}")


if __name__ == "__main__":
    run_stage(main)
