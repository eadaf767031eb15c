"""Write the model card, and one HTML page about the run, which opens without a network.

Reads labels.csv, data/raw/archives/, tables in data/clean/, data/split/ and plots/, the pictures in
plots/, metrics/train_extract.json, models/served/ and all params. Writes
docs/model_card.md and plots/report.html, which shows photos. Run: `python -m stages.report`
"""

from functools import partial

from pawprint.core import data_paths, data_tables, model_paths, result_paths, result_tables
from pawprint.core.entry import run_stage
from pawprint.core.files import read_json, write_text
from pawprint.core.params.section import PARAMS
from pawprint.core.params.train import LBFGS
from pawprint.core.sources import hide_secrets
from pawprint.core.tables import read_table
from pawprint.core.yaml import read_yaml
from pawprint.dataset.corrections import read_lines
from pawprint.dataset.layout import describe_files
from pawprint.reports import counts, results
from pawprint.reports.pages import rendering
from pawprint.serving.metadata import read_metadata


def main() -> None:
    params = hide_secrets(read_yaml(PARAMS))
    metadata = read_metadata(model_paths.SERVED_MODEL).model_dump()
    scores = read_table(result_paths.SCORES, result_tables.SCORES)
    images = read_table(data_paths.SPLIT_IMAGES, data_tables.SPLIT)
    rejected = read_table(data_paths.CLEAN_REJECTED, data_tables.REJECTED)
    near_duplicates = read_table(data_paths.NEAR_DUPLICATES, data_tables.NEAR_DUPLICATES)
    histories = [
        read_table(path, data_tables.HISTORY)
        for path in (model_paths.EXTRACT_HISTORY, model_paths.FINETUNE_HISTORY)
    ]
    confidence, images_of = params["evaluate"]["confidence"], images["split"].value_counts()
    groups = images["group"][images["split"] == "test"]
    about = [results.describe_intervals(confidence, groups)]
    extract = read_json(model_paths.EXTRACT_METRICS)
    if params["train_extract"]["optimizer"] == LBFGS:  # else cross-validation is of another head
        about.append(results.describe_draw(extract, images_of.to_dict(), confidence))
    pictures = (
        result_paths.CURVES_PLOT,
        result_paths.CONFUSION_PLOT,
        result_paths.ROC_PLOT,
        result_paths.RELIABILITY_PLOT,
        result_paths.ERRORS_PLOT,
        result_paths.LIKELY_WRONG_LABELS_PLOT,
        result_paths.NEAR_DUPLICATES_PLOT,
        result_paths.SAMPLES_PLOT,
        result_paths.AUGMENTED_PLOT,
        result_paths.PREDICTIONS_PLOT,
    )
    context = {
        "params": params,
        "metadata": metadata,
        "classes": results.name_classes(metadata["labels"]),
        "calibration": results.describe_calibration(params["calibrate"], metadata),
        "training": results.describe_training(*histories),
        "counts": counts.count_images(images),
        "imbalance": counts.describe_imbalance(images),
        "rejected": rejected,
        "files": describe_files(images, rejected),
        "near_duplicates": counts.describe_near_duplicates(near_duplicates),
        "corrections": len(read_lines(data_paths.LABELS)),
        "likely_wrong": len(
            read_table(result_paths.LIKELY_WRONG_LABELS, result_tables.LIKELY_WRONG_LABELS)
        ),
        "score": partial(results.score_of, scores),
        "results": results.result_rows(scores),
        "about_results": " ".join(filter(None, about)),
        "of_classes": results.class_rows(scores),
        "hashes": rendering.file_hashes(data_paths.RAW_ARCHIVES, model_paths.SERVED_MODEL),
        "pictures": {path.stem: rendering.embed(path) for path in pictures},
    }
    write_text(result_paths.MODEL_CARD, rendering.fill(rendering.MODEL_CARD, **context))
    write_text(result_paths.REPORT, rendering.fill(rendering.REPORT, **context))
    print(f"report: {result_paths.MODEL_CARD}, {result_paths.REPORT}")


if __name__ == "__main__":
    run_stage(main)
