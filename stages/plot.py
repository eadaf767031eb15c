"""Draw figures and pages in the last stage, so that changing a colour does not retrain anything.

Reads labels.csv, tables in data/, data/clean/, data/split/ and plots/, data/cross_validation.json,
data/raw/archives/, models/network.json, models/served/, and all params in data/code/params.json.
Writes docs/model_card.md, plots/limits.txt, curves in plots/figures/, and plots/report.html, one
page that works offline and shows photos. Prints which photos, labels, splits, params and code
differ from the last commit, and whether the model is better, according to Git and DVC's cache. Run:
`python -m stages.plot`
"""

from functools import partial

import pandas as pd

from pawprint.base import columns, paths
from pawprint.base.files import md5, parse_file, read_bytes, read_json, replacing, write_text
from pawprint.base.tables import read_table
from pawprint.base.yaml_file import read_mapping
from pawprint.data.rejected import describe_files
from pawprint.data.splitting import divided_groups
from pawprint.data.unusual import find_unusual
from pawprint.given.archive import open_archive
from pawprint.given.folders import describe_alike
from pawprint.given.user_tables import LABEL_COLUMNS, read_csv_rows
from pawprint.model.metadata import read_metadata
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.params.data import Augment, Clean
from pawprint.report import charts, corrections, pages, photos
from pawprint.report.since_commit import describe_since_commit, images_of
from pawprint.scores.intervals import CONFIDENCE, SIGNIFICANT
from pawprint.scores.label_review import to_correct
from pawprint.scores.limits import find_limits
from pawprint.scores.metrics import recalls_of
from pawprint.scores.prediction_table import parse_judged, read_probabilities, with_confidence
from pawprint.scores.results import Results
from pawprint.scores.series import with_groups
from pawprint.scores.slices import describe_sites, score_slices

# Columns of IMAGES that come from the file.
OF_FILE = ["path", "width", "height", "brightness", "colour", "perceptual_hash", "camera"]


def main() -> None:
    """Write the figures, the model card, the page and the limits, and print the result."""
    run = read_results()
    limits = find_limits(run)
    both = values_of_both(run)
    write_text(paths.MODEL_CARD, pages.fill(pages.MODEL_CARD, **both))
    steps = pages.next_steps(limits)
    strips = {photos.tag_of(run.names, *step.shows) for step in steps if step.shows}
    augment = Augment.load(path=paths.SHOWN_PARAMS)
    with open_archive(paths.RAW_ARCHIVES, Clean.load(path=paths.SHOWN_PARAMS).bits) as archive:
        shown = photos.show(archive, run, strips)
        views = photos.show_views(archive, run, augment) if augment.draws else []
    page = values_of_page(run, shown) | {"limits": limits, "steps": steps, "views": views}
    page["training"] = pages.uri_of(write_figures(run, page), "png")
    write_text(paths.REPORT, pages.fill(pages.REPORT, **both, **page))
    write_text(paths.LIMITS, limits.text)
    print(pages.describe_run(run.scores, run.predictions["test"]["actual"]))
    now = images_of(run.images, run.unknown, run.rejected)
    for line in describe_since_commit(now, run.params):
        print(line)
    print(f"Open {paths.REPORT}: errors, labels to review, and what limits the model.")


def read_results() -> Results:
    """Read the results of the stages before this one."""
    metadata = read_metadata(paths.SERVED_MODEL)
    choices = read_json(paths.CROSS_VALIDATION_JSON)
    split = with_groups(read_table(paths.SPLIT_CSV, columns.SPLIT), choices)
    files = read_table(paths.IMAGES_CSV, columns.IMAGES)
    images = split.merge(files[OF_FILE])
    predictions = {columns.TRAIN: parse_file(paths.CROSS_VALIDATION_CSV, parse_judged)}
    for name, path in paths.PROBABILITIES_CSV.items():
        table = read_probabilities(path)
        predictions[name] = with_confidence(table, kind=metadata.kind)
    of_review = columns.to_review(exclusive=metadata.exclusive)
    run = Results(
        params=read_json(paths.SHOWN_PARAMS),
        metadata=metadata.model_dump(),
        label_kind=metadata.kind,
        choices=choices,
        scores=read_table(paths.SCORES_CSV, columns.SCORES),
        images=images,
        unknown=read_table(paths.UNKNOWN_CSV, columns.UNKNOWN_IMAGES),
        rejected=read_table(paths.REJECTED_CSV, columns.REJECTED),
        unusual=find_unusual(files[files["path"].isin(images["path"])]),
        near_duplicates=read_table(paths.NEAR_DUPLICATES_CSV, columns.NEAR_DUPLICATES),
        to_review=to_correct(read_table(paths.LABELS_TO_REVIEW_CSV, of_review)),
        extract=read_table(paths.EXTRACT_HISTORY_CSV, columns.HISTORY),
        finetune=read_table(paths.FINETUNE_HISTORY_CSV, columns.HISTORY),
        curve=read_table(paths.LEARNING_CURVE_CSV, columns.LEARNING_CURVE),
        decided=read_table(paths.DECIDED_CSV, columns.DECIDED),
        reliability=read_table(paths.RELIABILITY_CSV, columns.RELIABILITY),
        predictions=predictions,
        question=describe_alike(metadata.kind.count(images["label"])),
    )
    # The values of photos: cells of metadata.csv, and the camera.
    tags = read_table(paths.METADATA_CSV, columns.METADATA)
    cameras = images[images["camera"] != ""].rename(columns={"camera": "value"})
    tags = pd.concat([tags, cameras.assign(column="camera (EXIF)")[[*tags]]])
    slices = score_slices(tags, run.held_out, run.label_kind)
    return run._replace(slices=slices, values=tags)


def values_of_both(run: Results) -> dict:
    """Return the values for the templates of both the model card and the page, keyed by name."""
    return run._asdict() | {
        "confidence": CONFIDENCE,
        "significant": SIGNIFICANT,
        "counts": pages.count_images(run.label_kind.one_per_label(run.images)),
        "totals": pages.count_images(run.images.assign(label="all")).loc["all"],
        "cleaned": describe_files(pd.concat([run.images, run.unknown]), run.rejected),
        "corrections": len(read_csv_rows(paths.LABELS_CSV, LABEL_COLUMNS)),
        "divided": divided_groups(run.near_duplicates),
        "results": pages.result_rows(run.scores),
        "of_classes": pages.class_rows(run.scores, run.label_kind.noun),
        "kind": run.label_kind.noun,
        "kinds": "classes" if run.exclusive else "labels",
        "is_mirrored": read_mapping(paths.NETWORK_JSON)["is_mirrored"],
    }


def values_of_page(run: Results, shown: list[photos.Photo]) -> dict:
    """Return further values for the page than `values_of_both`, keyed by name."""
    test = run.predictions["test"]
    labels = run.metadata["labels"]
    top = pages.headline(run.scores, test["actual"])
    precisions = run.scores.query("score == 'precision' and split == 'test'").set_index("label")
    to_review = [photo.path for photo in shown if "review" in photo.tags]
    return {
        "headline": top,
        "warnings": pages.warn(run.scores, top),
        "photos": shown,
        "titles": photos.TITLES,
        "filters": sorted({tag for photo in shown for tag in photo.tags}),
        "tag_of": partial(photos.tag_of, run.names),
        "to_copy": corrections.rows_to_copy(read_bytes(paths.LABELS_CSV), run, to_review),
        "recalls": recalls_of(run.scores).reindex(labels),
        "precisions": precisions.reindex(labels),
        "matrix": pages.confusions(test, labels) if run.exclusive else None,
        "confused": pages.confused_pairs(run.errors_in(test)),
        "new_sites": describe_sites(run.choices) if "sites" in run.choices else "",
        "more": charts.draw_learning_curve(run) if len(run.curve) > 1 else None,
        "probabilities": charts.draw_reliability(run),
        "decided_sentence": pages.describe_decided(run.decided),
        "data_md5": md5(paths.SPLIT_CSV),
    }


def write_figures(run: Results, page: dict) -> bytes:
    """Write the page's curves for `dvc plots`, and return and write one of a training in epochs.

    A fitted head has no epochs, and does without Matplotlib, which takes long to import.
    """
    training = b""
    with replacing(paths.FIGURES) as folder:
        folder.mkdir()
        page["probabilities"].write(folder / "probabilities.svg")
        if page["more"]:
            page["more"].write(folder / "learning_curve.svg")
        if len(run.extract) + len(run.finetune) > 1:
            from pawprint.report.figures import draw_training

            training = draw_training(run)
            (folder / "training.png").write_bytes(training)
    return training


if __name__ == "__main__":
    run_stage(main)
