"""Draw figures and pages in the last stage, so that changing a colour does not retrain anything.

Writes the figures, the model card, and one HTML page that works offline. Reads labels.csv, tables
in data/, data/clean/, data/split/ and plots/, data/cross_validation.json, data/raw/archives/,
models/network.json, models/served/ and all params. Writes docs/model_card.md, plots/limits.txt,
pictures of the data and the results in plots/, and
plots/report.html, which shows photos. Prints which photos, labels, splits, params and code differ
from the last commit, and whether the model is better, according to Git and DVC's cache. Run:
`python -m stages.plot`
"""

from functools import partial
from pathlib import Path

import pandas as pd

from pawprint.base import columns, paths
from pawprint.base.classes import HEADLINES, SIGNIFICANT
from pawprint.base.errors import hide_secrets
from pawprint.base.files import md5, parse_file, read_json, replacing, write_text
from pawprint.base.label_cells import count_labels, one_per_label, strata
from pawprint.base.tables import read_table
from pawprint.base.yaml_file import read_mapping
from pawprint.data.rejected import describe_files
from pawprint.data.splitting import divided_groups
from pawprint.data.unusual import find_unusual
from pawprint.given.archive import Archive, open_archive
from pawprint.given.folders import describe_alike
from pawprint.given.user_tables import LABEL_COLUMNS, read_csv_rows
from pawprint.model.metadata import read_metadata
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.data import Augment, Clean
from pawprint.report import charts, pages
from pawprint.report.pictures import (
    draw_near_duplicates,
    draw_samples,
    draw_unusual,
    encode,
    render,
)
from pawprint.report.results import Results
from pawprint.report.since_commit import describe_since_commit, images_of
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.limits import Limits, RunData, find_limits
from pawprint.scores.prediction_table import (
    list_errors,
    parse_judged,
    read_probabilities,
    with_confidence,
)
from pawprint.scores.series import with_groups

# Columns of IMAGES that come from the file.
OF_FILE = ["path", "width", "height", "brightness", "colour", "perceptual_hash"]


def main() -> None:
    """Write the pictures, the model card, the page and the limits, and print the result."""
    run = read_results()
    images = with_groups(run.images, run.training).merge(run.files[OF_FILE])
    in_epochs = bool(run.finetune["kept"].any() or run.extract["epoch"].any())
    alike = describe_alike(count_labels(run.images["label"], run.exclusive))
    limits = find_limits(
        RunData(
            images,
            run.judged,
            run.predictions,
            run.curve,
            run.training,
            run.to_review,
            run.metadata,
            alike,
            in_epochs,
        )
    )
    with open_archive(paths.RAW_ARCHIVES, Clean.load().bits) as archive:
        pictures = draw(archive, run)
        thresholds = run.metadata["thresholds"]
        judged = run.judged[:0] if in_epochs else run.judged
        errors = run.errors_in(list_errors(judged, run.predictions, thresholds))
        gallery = pages.show_errors(archive, errors, run.names)
    for name, picture in pictures.items():
        with replacing(paths.PLOTS / name) as partial_file:
            partial_file.write_bytes(picture)
    both = values_of_both(run)
    write_text(paths.MODEL_CARD, pages.fill(pages.MODEL_CARD, **both))
    write_text(
        paths.REPORT,
        pages.fill(pages.REPORT, **both, **values_of_page(run, both, limits, gallery, pictures)),
    )
    write_text(paths.LIMITS, limits.text)
    print(run.sentence)
    now = images_of(run.images, run.unknown, run.rejected)
    for line in describe_since_commit(now, run.params):
        print(line)
    print(f"Open {paths.REPORT}: errors, labels to review, and what limits the model.")


def read_results() -> Results:
    """Read the results of the stages before this one; `params` are without secrets."""
    params = read_mapping(paths.PARAMS)
    metadata = read_metadata(paths.SERVED_MODEL)
    images = read_table(paths.SPLIT_CSV, columns.SPLIT)
    files = read_table(paths.IMAGES_CSV, columns.IMAGES)
    files = files[files["path"].isin(images["path"])]
    return Results(
        params={name: hide_secrets(section) for name, section in params.items()},
        metadata=metadata.model_dump(),
        training=read_json(paths.CROSS_VALIDATION_JSON),
        scores=read_table(paths.SCORES_CSV, columns.SCORES),
        images=images,
        files=files,
        unusual=find_unusual(files),
        unknown=read_table(paths.UNKNOWN_CSV, columns.UNKNOWN_IMAGES),
        rejected=read_table(paths.REJECTED_CSV, columns.REJECTED),
        near_duplicates=read_table(paths.NEAR_DUPLICATES_CSV, columns.NEAR_DUPLICATES),
        to_review=read_table(paths.LABELS_TO_REVIEW_CSV, columns.LABELS_TO_REVIEW),
        judged=parse_file(paths.CROSS_VALIDATION_CSV, parse_judged),
        extract=read_table(paths.EXTRACT_HISTORY_CSV, columns.HISTORY),
        finetune=read_table(paths.FINETUNE_HISTORY_CSV, columns.HISTORY),
        curve=read_table(paths.LEARNING_CURVE_CSV, columns.LEARNING_CURVE),
        decided=read_table(paths.DECIDED_CSV, columns.DECIDED),
        predictions={
            name: with_confidence(read_probabilities(path), exclusive=metadata.exclusive)
            for name, path in paths.PROBABILITIES_CSV.items()
        },
    )


def values_of_both(run: Results) -> dict:
    """Return the values for the templates of both the model card and the page, keyed by name."""
    return run._asdict() | {
        "confidence": CONFIDENCE,
        "significant": SIGNIFICANT,
        "counts": pages.count_images(one_per_label(run.images, run.exclusive)),
        "totals": pages.count_images(run.images.assign(label="all")).loc["all"],
        "cleaned": describe_files(pd.concat([run.images, run.unknown]), run.rejected),
        "corrections": len(read_csv_rows(paths.LABELS_CSV, LABEL_COLUMNS)),
        "divided": divided_groups(run.near_duplicates),
        "results": pages.result_rows(run.scores),
        "of_classes": pages.class_rows(run.scores, run.kind),
        "kind": run.kind,
        "kinds": "classes" if run.exclusive else "labels",
        "is_mirrored": Augment.load().mirrors(read_mapping(paths.NETWORK_JSON)["views"]),
    }


def values_of_page(
    run: Results, both: dict, limits: Limits, gallery: dict, pictures: dict[str, bytes]
) -> dict:
    """Return further values for the page than `both`, with links to photos in the gallery.

    `pictures` are the contents of files, by their names.
    """
    test = run.predictions["test"]
    ids = gallery["ids"]
    uri_of = {
        Path(name).stem: pages.uri_of_file(picture, Path(name).suffix)
        for name, picture in pictures.items()
    }
    return {
        "result": run.sentence,
        "limits": limits,
        "gallery": gallery,
        "errors_id": partial(pages.errors_id, run.names),
        "class_links": pages.link_classes(both["of_classes"], run.names, ids),
        "matrix": pages.link_matrix(test, run.names, ids) if run.exclusive else [],
        "confused": pages.link_pairs(run.errors_in(test), run.names, ids),
        "most_confident": pages.describe_decided(run.decided),
        "picture": uri_of.__getitem__,
        "data_md5": md5(paths.SPLIT_CSV),
    }


def draw(archive: Archive, run: Results) -> dict[str, bytes]:
    """Return the contents of the pictures by file name."""
    test = run.predictions["test"]
    metadata = run.metadata
    reliability = read_table(paths.RELIABILITY_CSV, columns.RELIABILITY)
    by_stratum = run.images.assign(stratum=strata(run.images["label"], run.exclusive))
    train = by_stratum.merge(run.files[OF_FILE])
    train = train[train["split"] == columns.TRAIN]
    held_out = pd.concat([run.predictions["validation"], test], ignore_index=True)
    right = HEADLINES["accuracy" if run.exclusive else "exact"]
    figures = {
        "learning_curves": charts.draw_learning_curves(run.extract, run.finetune, run.curve, right),
        "classes": charts.draw_classes(run.scores, metadata["labels"]),
        "reliability": charts.draw_reliability(reliability),
    }
    drawn = {f"{name}.png": render(figure) for name, figure in figures.items()} | {
        "predictions.jpg": charts.draw_predictions(archive, test),
        "errors.jpg": charts.draw_errors(archive, held_out),
        "labels_to_review.jpg": charts.draw_labels_to_review(archive, run.to_review, run.exclusive),
        "augmented.jpg": charts.draw_augmented(
            archive, train, Augment.load(), metadata["image_size"], metadata["resize"]
        ),
        "samples.jpg": draw_samples(archive, train),
        "near_duplicates.jpg": draw_near_duplicates(archive, run.near_duplicates),
        "unusual.jpg": draw_unusual(archive, run.unusual),
    }
    return {name: encode(picture, Path(name).suffix) for name, picture in drawn.items()}


if __name__ == "__main__":
    run_stage(main)
