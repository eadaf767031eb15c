"""Draw figures and pages in the last stage, so that changing a colour does not retrain anything.

Writes the figures, the model card, and one HTML page that works offline. Reads labels.csv, tables
in data/, data/clean/, data/split/ and plots/, pictures of the data in plots/,
data/cross_validation.json, data/raw/archives/, models/network.json, models/served/ and all
params. Writes docs/model_card.md, plots/limits.txt, pictures of the results in plots/, and
plots/report.html, which shows photos. Prints which photos, labels, splits, params and code differ
from the last commit, and whether the model is better, according to Git and DVC's cache. Run:
`python -m stages.plot`
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from PIL import Image

from pawprint import columns, paths
from pawprint.classes import SIGNIFICANT
from pawprint.dataset.changes import images_of
from pawprint.dataset.cleaning import describe_files
from pawprint.dataset.splitting import divided_groups
from pawprint.dataset.unusual import describe_unusual, find_unusual
from pawprint.dataset.user_tables import LABEL_COLUMNS, read_csv_rows
from pawprint.errors import hide_secrets
from pawprint.files import md5, read_json, write_text
from pawprint.images.archive import Archive, open_archive
from pawprint.model.metadata import read_metadata
from pawprint.params.data import Augment, Clean
from pawprint.pipeline.entry import run_stage
from pawprint.reports import augmented, charts, drawing, pages, photos
from pawprint.reports.since_commit import describe_since_commit
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.limits import RunData, find_limits
from pawprint.scores.prediction_table import list_errors, read_probabilities
from pawprint.scores.shift import describe_shift
from pawprint.scores.slices import describe_slices
from pawprint.tables import read_table
from pawprint.yaml_file import read_mapping

# Columns of IMAGES that come from the file.
OF_FILE = ["path", "width", "height", "brightness", "perceptual_hash"]
# Pictures that earlier stages have drawn.
OF_DATA = ("near_duplicates.jpg", "samples.jpg", "unusual.jpg")


def main() -> None:
    """Write the pictures, the model card, the page and the limits, and print the result."""
    params = {name: hide_secrets(section) for name, section in read_mapping(paths.PARAMS).items()}
    metadata = read_metadata(paths.SERVED_MODEL).model_dump()
    scores = read_table(paths.SCORES_CSV, columns.SCORES)
    images = read_table(paths.SPLIT_CSV, columns.SPLIT)
    judged = read_table(paths.CROSS_VALIDATION_CSV, columns.JUDGED)
    predictions = {name: read_probabilities(path) for name, path in paths.PROBABILITIES_CSV.items()}
    files = read_table(paths.IMAGES_CSV, columns.IMAGES)
    unknown = read_table(paths.UNKNOWN_CSV, columns.IMAGES)
    rejected = read_table(paths.REJECTED_CSV, columns.REJECTED)
    context = card_context(params, metadata, scores, images) | {
        "rejected": rejected,
        "files": describe_files(pd.concat([images, unknown]), rejected),
    }
    learned = context["extract"]["accuracy"][context["extract"]["kept"]]
    accuracy = learned.iloc[-1] if len(learned) else None
    tables = (context["curve"], context["training"], context["to_review"])
    run = RunData(images.merge(files[OF_FILE]), judged, predictions, accuracy, *tables)
    limits = find_limits(run)
    with open_archive(paths.RAW_ARCHIVES, Clean.load().bits) as archive:
        train = images[images["split"] == columns.TRAIN]
        pictures = draw(archive, context, predictions, train)
        errors = list_errors(judged, predictions)
        gallery = pages.show_errors(archive, errors, metadata["labels"])
    for name, picture in pictures.items():
        drawing.save(picture, paths.PLOTS / name)
    pictures |= {name: Image.open(paths.PLOTS / name) for name in OF_DATA}
    write_text(paths.MODEL_CARD, pages.fill(pages.MODEL_CARD, **context))
    context |= {"limits": limits, "gallery": gallery}
    context |= page_context(context, predictions["test"], files, pictures)
    write_text(paths.REPORT, pages.fill(pages.REPORT, **context))
    write_text(paths.LIMITS, limits.text)
    print(context["result"])
    for line in describe_since_commit(images_of(images, unknown, rejected), params):
        print(line)
    print(f"Open {paths.REPORT}: errors, labels to review, and what limits the model.")


def card_context(params: dict, metadata: dict, scores: pd.DataFrame, images: pd.DataFrame) -> dict:
    """Return the values for the templates of the model card and the page, keyed by name.

    The summary of `clean` is not included. `scores` is the SCORES table, `images` the SPLIT table.
    """
    near_duplicates = read_table(paths.NEAR_DUPLICATES_CSV, columns.NEAR_DUPLICATES)
    to_review = read_table(paths.LABELS_TO_REVIEW_CSV, columns.LABELS_TO_REVIEW)
    return {
        "params": params,
        "metadata": metadata,
        "confidence": CONFIDENCE,
        "significant": SIGNIFICANT,
        "extract": read_table(paths.EXTRACT_HISTORY_CSV, columns.HISTORY),
        "finetune": read_table(paths.FINETUNE_HISTORY_CSV, columns.HISTORY),
        "curve": read_table(paths.LEARNING_CURVE_CSV, columns.LEARNING_CURVE),
        "decided": read_table(paths.DECIDED_CSV, columns.DECIDED),
        "training": read_json(paths.CROSS_VALIDATION_JSON),
        "counts": pages.count_images(images),
        "imbalance": pages.describe_imbalance(images),
        "near_duplicates": near_duplicates,
        "divided": divided_groups(near_duplicates),
        "corrections": len(read_csv_rows(paths.LABELS_CSV, LABEL_COLUMNS)),
        "to_review": to_review,
        "contradictions": int((to_review["contradicts"] != "").sum()),
        "warning": describe_shift(scores),
        "result": pages.describe_result(scores),
        "results": pages.result_rows(scores),
        "slices": pages.slice_rows(scores),
        "worse_slices": describe_slices(scores),
        "of_classes": pages.class_rows(scores),
        "is_mirrored": Augment.load().mirrors(read_mapping(paths.NETWORK_JSON)["views"]),
    }


def page_context(
    context: Mapping, test: pd.DataFrame, files: pd.DataFrame, pictures: dict[str, Image.Image]
) -> dict:
    """Return further values for the template of the page, with links to photos in the gallery.

    `test` is a PROBABILITIES table, and `files` the IMAGES table. `pictures` have file names.
    """
    labels = context["metadata"]["labels"]
    ids = context["gallery"]["ids"]
    picture_of = {Path(name).stem: picture for name, picture in pictures.items()}
    return {
        "errors_id": partial(pages.errors_id, labels),
        "matrix": pages.link_matrix(test, labels, ids),
        "confused": pages.link_pairs(test, labels, ids),
        "most_confident": pages.describe_decided(context["decided"]),
        "of_classes": pages.link_classes(context["of_classes"], labels, ids),
        "unusual": describe_unusual(find_unusual(files)),
        "picture": lambda name: pages.data_uri(picture_of[name]),
        "data_md5": md5(paths.SPLIT_CSV),
    }


def draw(
    archive: Archive, context: Mapping, predictions: dict[str, pd.DataFrame], train: pd.DataFrame
) -> dict[str, Image.Image]:
    """Return the pictures of the results by file name.

    `context` contains the values for the card, `predictions` PROBABILITIES tables by split, and
    `train` the training images.
    """
    test = predictions["test"]
    metadata = context["metadata"]
    named = list(metadata["thresholds"])
    reliability = read_table(paths.RELIABILITY_CSV, columns.RELIABILITY)
    figures = {
        "learning_curves": charts.draw_learning_curves(
            context["extract"], context["finetune"], context["curve"]
        ),
        "confusion": charts.draw_confusion(test),
        "roc": charts.draw_roc(read_table(paths.ROC_CSV, columns.ROC)),
        "reliability": charts.draw_reliability(reliability),
        "decided": charts.draw_decided(context["decided"], test, metadata["min_confidence"], named),
    }
    return {f"{name}.png": drawing.render(figure) for name, figure in figures.items()} | {
        "predictions.jpg": photos.draw_predictions(archive, test),
        "errors.jpg": photos.draw_errors(archive, pd.concat([predictions["validation"], test])),
        "labels_to_review.jpg": photos.draw_labels_to_review(archive, context["to_review"]),
        "augmented.jpg": augmented.draw_augmented(
            archive, train, Augment.load(), metadata["image_size"], metadata["resize"]
        ),
    }


if __name__ == "__main__":
    run_stage(main)
