"""Write one HTML page about a run. It opens from disk without a network.

Reads metrics/, data/clean/rejected.csv, the pictures in plots/ and all params. Writes
plots/report.html, which shows photos. Run: `python -m stages.report`
"""

import yaml

from pawprint.core import paths, tables
from pawprint.core.files import read_json, write_text
from pawprint.core.params import load_params
from pawprint.core.sources import without_secrets
from pawprint.core.tables import read_table
from pawprint.reports.rendering import embed, fill
from pawprint.reports.results import class_rows, describe_calibration, result_rows

MAX_REJECTED = 50  # rows shown


def main() -> None:
    params = load_params()
    shown = params.model_dump()
    for section in ("fetch", "weights"):
        shown[section]["source"] = without_secrets(shown[section]["source"])
    split = read_json(paths.SPLIT_METRICS)
    calibrated = read_json(paths.CALIBRATE_METRICS)
    evaluated = read_json(paths.EVALUATE_METRICS)
    labels = sorted(key for key in split["train"] if key != "total")
    splits = ("validation", "test")
    pictures = (
        paths.CURVES_PLOT,
        paths.CONFUSION_PLOT,
        paths.ROC_PLOT,
        paths.RELIABILITY_PLOT,
        paths.ERRORS_PLOT,
        paths.LIKELY_WRONG_LABELS_PLOT,
        paths.NEAR_DUPLICATES_PLOT,
        paths.SAMPLES_PLOT,
        paths.AUGMENTED_PLOT,
        paths.PREDICTIONS_PLOT,
    )
    text = fill(
        paths.REPORT_TEMPLATE,
        labels=labels,
        confidence=params.evaluate.confidence,
        calibration=describe_calibration(
            params.calibrate, calibrated["temperature"], evaluated["threshold"], labels[1]
        ),
        cleaned=read_json(paths.CLEAN_METRICS),
        split=split,
        evaluated=evaluated,
        results=result_rows(evaluated, splits) + class_rows(evaluated, splits, labels),
        rejected=read_table(paths.CLEAN_REJECTED, tables.REJECTED),
        max_rejected=MAX_REJECTED,
        pictures={path.stem: embed(path) for path in pictures},
        params=yaml.safe_dump(shown, sort_keys=False, allow_unicode=True),
    )
    write_text(paths.REPORT, text)
    print(f"report: {paths.REPORT}")


if __name__ == "__main__":
    main()
