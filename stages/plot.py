"""Draw the pictures of a run from what it recorded, never from a model.

Reads the tables in plots/, data/split/images.csv and data/raw/archives/. Params: `plot`. Writes
plots/*.png, but for those of `preview`. Run: `python -m stages.plot`
"""

from pawprint.core import paths
from pawprint.core.files import read_csv
from pawprint.core.params import load_params
from pawprint.images.archive import open_archive
from pawprint.reports.charts import (
    draw_class_counts,
    draw_confusion,
    draw_curves,
    draw_reliability,
    draw_roc,
)
from pawprint.reports.figures import save
from pawprint.reports.photo_figures import draw_likely_wrong_labels, draw_mistakes, draw_predictions


def main() -> None:
    params = load_params()
    extract = read_csv(paths.EXTRACT_HISTORY)
    finetune = read_csv(paths.FINETUNE_HISTORY)
    predictions = read_csv(paths.PREDICTIONS)
    held_out = read_csv(paths.VALIDATION_PREDICTIONS) + predictions
    likely_wrong = read_csv(paths.LIKELY_WRONG_LABELS)
    save(draw_curves(extract, finetune), paths.CURVES_PLOT)
    save(draw_confusion(predictions), paths.CONFUSION_PLOT)
    save(draw_roc(read_csv(paths.ROC)), paths.ROC_PLOT)
    save(draw_reliability(read_csv(paths.RELIABILITY)), paths.RELIABILITY_PLOT)
    save(draw_class_counts(read_csv(paths.SPLIT_IMAGES)), paths.CLASSES_PLOT)
    with open_archive(paths.RAW_IMAGES) as archive:
        figure = draw_predictions(archive, predictions, params.plot.predictions)
        save(figure, paths.PREDICTIONS_PLOT)
        figure = draw_mistakes(archive, held_out, params.plot.errors)
        save(figure, paths.ERRORS_PLOT)
        figure = draw_likely_wrong_labels(archive, likely_wrong, params.plot.likely_wrong_labels)
        save(figure, paths.LIKELY_WRONG_LABELS_PLOT)
    print(f"plot: 8 pictures in {paths.CURVES_PLOT.parent}")


if __name__ == "__main__":
    main()
