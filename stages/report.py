"""Write one HTML page about a run. It opens from disk without a network.

Reads plots/scores.csv, the histories, metrics/seeds.json, tables in data/clean/ and data/split/,
models/served/, the pictures in plots/ and all params. Writes plots/report.html, which shows photos.
Run: `python -m stages.report`
"""

import yaml

from pawprint.core import paths, tables
from pawprint.core.counts import describe_imbalance, divided_groups
from pawprint.core.entry import run_stage
from pawprint.core.files import read_json, write_text
from pawprint.core.params.whole import load_params
from pawprint.core.sources import hide_secrets
from pawprint.core.tables import read_table
from pawprint.reports.rendering import embed, fill
from pawprint.reports.results import (
    class_rows,
    count_images,
    describe_calibration,
    describe_rejected,
    name_classes,
    result_rows,
    score_of,
)
from pawprint.reports.seeds import describe_seeds
from pawprint.serving.metadata import read_metadata

MAX_REJECTED = 50  # rows shown


def main() -> None:
    params = load_params()
    values = params.model_dump()
    for section in ("fetch", "weights"):
        values[section]["source"] = hide_secrets(values[section]["source"])
    metadata = read_metadata(paths.SERVED_MODEL)
    scores = read_table(paths.SCORES, tables.SCORES)
    of_seeds, seeds = describe_seeds(read_json(paths.SEEDS_METRICS), paths.SEED_OUTPUTS)
    images = read_table(paths.SPLIT_IMAGES, tables.SPLIT)
    near_duplicates = read_table(paths.NEAR_DUPLICATES, tables.NEAR_DUPLICATES)
    rejected = read_table(paths.CLEAN_REJECTED, tables.REJECTED)
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
        labels=metadata.labels,
        classes=name_classes(metadata.labels),
        confidence=params.evaluate.confidence,
        calibration=describe_calibration(
            params.calibrate, metadata.temperature, metadata.threshold, metadata.labels, scores
        ),
        threshold=metadata.threshold,
        accuracies={split: score_of(scores, split, "accuracy") for split in ("test", "validation")},
        calibration_error=score_of(scores, "test", "expected_calibration_error")["value"],
        results=[*of_seeds, *result_rows(scores, ("validation", "test"))],
        seeds=seeds,
        of_classes=class_rows(scores),
        counts=count_images(images),
        imbalance=describe_imbalance(images),
        near_duplicates=near_duplicates,
        divided_groups=divided_groups(near_duplicates),
        described=describe_rejected(rejected),
        rejected=rejected,
        max_rejected=MAX_REJECTED,
        pictures={path.stem: embed(path) for path in pictures},
        params=yaml.safe_dump(values, sort_keys=False, allow_unicode=True),
    )
    write_text(paths.REPORT, text)
    print(f"report: {paths.REPORT}")


if __name__ == "__main__":
    run_stage(main)
