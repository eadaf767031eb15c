"""The command `score`: the model on photos of its use, beside the test split of the last run.

Of photos without labels the accuracy is not estimated: from confidences it would be too high for
photos of another kind.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import project
from pawprint.commands import (
    Taken,
    add_format,
    add_model,
    add_sheet,
    align,
    output,
    print_left_out,
    print_record,
    require_existing,
)
from pawprint.commands.answer_log import COPY, OTHER_MODEL, read_answers, select_answers
from pawprint.commands.suggest import is_near_training, read_labelled
from pawprint.dataset import layouts
from pawprint.dataset.cleaning import further_columns, perceptual_hash, without_duplicates
from pawprint.dataset.folders import OUTER
from pawprint.errors import InputError, printable
from pawprint.files import md5, md5_of_folder
from pawprint.model.metadata import METADATA_FILE, Metadata, read_metadata
from pawprint.model.predictor import (
    Prediction,
    Predictor,
    Take,
    default_model,
    load_predictor,
    names_below,
    predict_each,
    take_all,
    take_images,
)
from pawprint.named_file import read_bytes
from pawprint.params.data import Clean
from pawprint.params.model import Evaluate
from pawprint.pipeline.recorded import Recorded
from pawprint.project import PROBABILITY, UNKNOWN_SCORE
from pawprint.reports.pages import MAX_ERRORS, rows_beside_test, write_errors
from pawprint.scores.paired import Comparison, compare, describe_comparison, pair_predictions
from pawprint.scores.predictions import confusion, most_confused, predictions_in, tabulate_beside
from pawprint.scores.shift import LIKE, Likeness, compare_photos, measure_slices
from pawprint.tables import predicted_labels, read_predictions, tabulate

CONFIDENCE = 0.95  # of intervals, where there is no params.yaml
FAILED = 3  # exit status of --fail
MAX_CONFUSED = 5  # pairs of classes
UNLABELLED = "unlabelled"
NEAR = "near-duplicates of training images"
LABELLED = "labelled since, now training images"
CONTRADICTORY = "copies in several classes"
FEW = 50  # photos, of which only a large difference is significant
HASH = "pixels_sha256"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    source = "score these photos, or a table from `predict --format csv` or `serve --log`"
    parser.add_argument("source", type=Path, metavar="FOLDER", help=source)
    sheet = (
        f"write a new page with up to {MAX_ERRORS} of the most confident errors on labelled photos"
    )
    add_sheet(parser, sheet)
    fail = f"exit with status {FAILED} if unlabelled photos are not like the test photos"
    parser.add_argument("--fail", action="store_true", help=fail)
    add_format(parser, ("table", "json"))
    add_model(parser, "; further models are compared with the first", action="append")


def run(arguments: argparse.Namespace) -> int:
    """Score the served model on production photos, compared with the test split of the last run.

    Labelled photos are in folders named like the classes, or have a metadata.csv. Prints accuracy,
    balanced accuracy (mean recall), log loss and the fraction flagged as unknown, with intervals,
    and whether they differ significantly from the test split. Then follow each class, the slices of
    metadata.csv, and the classes that are confused. Copies and near-duplicates of training images
    are left out. In intervals and tests, a group of photos counts as one. If --model is repeated,
    each further model is compared with the first, photo by photo.

    If no folder is named like a class, the photos are unlabelled, and so are the photos of a table.
    Then the fractions flagged as unknown and unsure, the predicted classes and the mean confidence
    are compared with the test photos. No alarm does not mean that the model is right: label some
    photos from time to time.

    Files that cannot be used are listed on stderr, and the exit status is 1.

    Examples:
      pawprint score ../may_labelled --sheet ../errors.html
      pawprint score ../june --fail
      pawprint score photos --model models/served --model ../new/models/served
    """
    source = arguments.source
    require_existing(source)
    arguments.model = arguments.model or [default_model()]
    labels = read_metadata(arguments.model[0]).labels
    photos = find_photos(source, labels) if source.is_dir() else None
    if photos is None or photos.table["label"].isna().all():
        return _compare_unlabelled(arguments, photos)
    if arguments.fail:
        raise InputError(
            f"--fail: expected photos without labels. Received: {printable(str(source))}, whose "
            f"photos are of {', '.join(photos.table['label'].dropna().unique())}."
        )
    return _score_labelled(arguments, photos)


class Photos(NamedTuple):
    """The images below a folder.

    `table` has `path`, relative to the folder, `label`, one of the model's, UNKNOWN or None, and
    `group`, from metadata.csv or the image alone. `further` is the table METADATA.
    """

    folder: Path
    table: pd.DataFrame
    further: pd.DataFrame


def find_photos(folder: Path, labels: Sequence[str]) -> Photos:
    """Return the images below a folder, sorted by path, with their labels.

    Raises InputError for no image, and a metadata.csv without one of the labels.
    """
    folder_names = Clean.load().labels if project.PARAMS.exists() else "auto"
    names = sorted(name for name in names_below(folder) if (folder / name).is_file())
    rows = layouts.parse_metadata_csv(str(folder), names, lambda name: read_bytes(folder / name))
    named = folder_names if isinstance(folder_names, dict) else {}
    folder_of = {name.lower(): label for label in labels for name in (label, *named.get(label, ()))}
    folders = layouts.folders_of(rows)
    listed = rows or {}
    images = take_images(folder, [name for name in names if not layouts.is_metadata(name)], listed)
    places = (
        layouts.label_and_split(folders(name), folder_of, folder_names == OUTER) for name in images
    )
    table = pd.DataFrame({"path": images, "label": [place.label or None for place in places]})
    table["group"] = [(name in listed and listed[name].group) or f"/{name}" for name in images]
    if table.empty or (rows is not None and table["label"].isna().all()):
        raise InputError(
            f"{printable(str(folder))}: expected images in folders called {', '.join(labels)}, a "
            "metadata.csv with these labels, or images without labels. Received: "
            f"{len(images):,} images with other labels."
        )
    return Photos(folder, table, further_columns(listed, images))


def read_confidence() -> float:
    """Return the confidence of intervals."""
    return Evaluate.load().confidence if project.PARAMS.exists() else CONFIDENCE


def read_test_split(metadata: Metadata) -> pd.DataFrame | None:
    """Return the table PREDICTIONS of the test split by the served model, or None without one.

    None also if `metadata` have another identity than the served model, or if the table or the
    served model is another than dvc.lock has.
    """
    table = project.TEST_PREDICTIONS_CSV
    served = project.SERVED_MODEL
    if not table.exists() or not (served / METADATA_FILE).exists():
        return None
    recorded = Recorded()
    expected = [recorded.hash_of("evaluate", table), recorded.served_model()]
    is_other = any(expected) and expected != [md5(table), md5_of_folder(served)]
    if is_other or read_metadata(served).model != metadata.model:
        return None
    predictions = read_predictions(table)
    return predictions if predicted_labels(predictions) == metadata.labels else None


class ScoreResult(NamedTuple):
    """The result of `score`.

    `scores` has the rows of `tabulate_beside`, then rows of `measure_slices`; `predictions` a table
    PREDICTIONS with a column `group`; `left_out` has numbers of images by reason, `failed` the rows
    of `predict` with an error, and `has_training` says whether a last run was compared with.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    left_out: dict[str, int]
    failed: list[dict]
    has_training: bool


def _score_labelled(arguments: argparse.Namespace, photos: Photos) -> int:
    """Score each model, and compare the others with the first."""
    folders = arguments.model
    predictors = [load_predictor(folder) for folder in folders]
    labels = predictors[0].metadata.labels
    for predictor in predictors[1:]:
        if predictor.metadata.labels != labels:
            raise InputError(
                f"{predictor.folder}: expected the classes of {folders[0]}, {', '.join(labels)}. "
                f"Received: {', '.join(predictor.metadata.labels)}. Score it alone."
            )
    with output(arguments, needs_all=True) as taken:
        scored = [_score_and_say(predictor, photos, taken) for predictor in predictors]
        first, *others = (result.predictions for result in scored)
        runs = [{"photos": pair_predictions(first, other)} for other in others]
        compared = list(zip(folders[1:], compare(runs, read_confidence())))
        if arguments.format == "json":
            record = _record_of(scored[0], compared, labels)
            print_record(record, scored[0].left_out, scored[0].failed)
        else:
            for folder, result in zip(folders, scored):
                if compared:
                    print(folder)
                print_scores(result)
            for folder, comparison in compared:
                print(f"\n{describe_comparison(str(folders[0]), str(folder), comparison)}")
    if arguments.sheet:
        write_errors(arguments.sheet, predictors[0].metadata.bits, photos.folder, first)
    return int(any(result.failed for result in scored))


def _score_and_say(predictor: Predictor, photos: Photos, taken: Taken) -> ScoreResult:
    """Score a model, and print what is left out of its scores."""
    scored = score(predictor, photos, taken.take)
    print_left_out(scored.left_out, scored.failed)
    if not scored.has_training:
        print("score: no training images here: near-duplicates of them count", file=sys.stderr)
    if scored.scores["test"].isna().all():
        print("score: no test split of this model here to compare with", file=sys.stderr)
    return scored


def score(predictor: Predictor, photos: Photos, take: Take = take_all) -> ScoreResult:
    """Score labelled photos as `evaluate` does, beside the test split of the last run.

    Photos that are UNKNOWN show none of the classes. Of photos with the same pixels one counts, or
    none if their labels differ, as in `clean`. Photos of a group count as one in intervals and
    tests. Near-duplicates of training images are left out, unless they are of the test split.
    Raises InputError if no photo has a class.
    """
    metadata = predictor.metadata
    confidence = read_confidence()
    labelled = photos.table.dropna(subset="label")
    paths = [photos.folder / path for path in labelled["path"]]
    rows = list(take(predict_each(predictor, paths, _prediction_and_hash), len(paths)))
    failed = [row for row in rows if row["error"]]
    columns = ["prediction", HASH, "hash"]
    usable = labelled.join(pd.DataFrame(rows, labelled.index, columns)).dropna(subset=columns)
    images, copies = without_duplicates(usable.assign(archive_split=""))
    last_run = read_labelled()
    training = last_run.split.loc[last_run.split["split"] == "train", HASH]
    is_labelled = images[HASH].isin(training)
    is_near = is_near_training(images, last_run) & ~is_labelled
    left_out = {
        UNLABELLED: len(photos.table) - len(labelled),
        COPY: (copies["reason"] == "duplicate").sum(),
        CONTRADICTORY: (copies["reason"] == "contradictory").sum(),
        LABELLED: is_labelled.sum(),
        NEAR: is_near.sum(),
    }
    table = _tabulate(images[~(is_near | is_labelled)], metadata)
    is_of_class = table["actual"].isin(metadata.labels)
    if not is_of_class.any():
        counts = ", ".join(f"{number:,} {why}" for why, number in left_out.items() if number)
        raise InputError(
            f"{printable(str(photos.folder))}: expected photos of {', '.join(metadata.labels)}. "
            f"Received: none, after {counts or 'no photo'} and {len(failed):,} unusable files."
        )
    of_classes = table[is_of_class].reset_index(drop=True)
    test = read_test_split(metadata)
    scores = tabulate_beside(of_classes, table[~is_of_class], test, metadata, confidence)
    is_right = of_classes["predicted"] == of_classes["actual"]
    slices = measure_slices(of_classes.assign(correct=is_right), photos.further, confidence)
    if len(slices):
        scores = pd.concat([scores, slices.assign(different="")], ignore_index=True)
    return ScoreResult(scores, of_classes, left_out, failed, not last_run.split.empty)


def _prediction_and_hash(image: Image.Image, predicted: Prediction) -> dict:
    return {"prediction": predicted._replace(features=None), "hash": perceptual_hash(image)}


def _tabulate(images: pd.DataFrame, metadata: Metadata) -> pd.DataFrame:
    """Return the table PREDICTIONS of images with a `prediction`, and the number of a `group`."""
    probabilities = np.array([prediction.probabilities for prediction in images["prediction"]])
    probabilities = probabilities.reshape(len(images), len(metadata.labels))  # also of no image
    unknown_scores = None
    if metadata.unknown_threshold is not None:
        unknown_scores = np.array([prediction.unknown_score for prediction in images["prediction"]])
    classes = metadata.classes(probabilities)
    table = tabulate(images, probabilities, classes, metadata.labels, unknown_scores)
    return table.assign(group=pd.factorize(images["group"])[0])


def print_scores(scored: ScoreResult) -> None:
    """Print a sentence on the accuracy, a table of scores, and the most frequent errors."""
    scores = scored.scores
    first = scores.iloc[0]
    sentence = f"The model is right for {first['value']:.2%} of {first['images']:,} photos"
    if scores["test"].notna().any():
        different = scores[scores["different"] == "yes"]
        titles = (different["score"].str.replace("_", " ") + " " + different["label"]).str.strip()
        sentence += (
            f", and for {first['test']:.2%} of the test split; significantly different: "
            f"{', '.join(titles) or 'no score'}"
        )
    print(f"{sentence}.\n\n{align(rows_beside_test(scores))}")
    pairs = most_confused(scored.predictions, MAX_CONFUSED).itertuples()
    if named := ", ".join(f"{row.actual} as {row.predicted} ({row.images})" for row in pairs):
        print(f"\nMost frequent errors: {named}.")


def _record_of(
    scored: ScoreResult, compared: Sequence[tuple[Path, Comparison]], labels: list[str]
) -> dict:
    record = {"images": len(scored.predictions), "scores": scored.scores, "compared": []}
    record["confusion"] = confusion(scored.predictions, labels).to_dict("index")
    for folder, comparison in compared:
        test = comparison.test._asdict() | {"verdict": comparison.test.verdict}
        sets = comparison.sets.to_dict("records")
        cells = comparison._asdict() | {"test": test, "sets": sets}
        record["compared"].append({"model": str(folder), **cells})
    return record


def _compare_unlabelled(arguments: argparse.Namespace, photos: Photos | None) -> int:
    """Compare the photos of a folder or, with None, the rows of a table with the test photos."""
    source = arguments.source
    folder, *others = arguments.model
    if others or arguments.sheet:
        option = "--model, given twice" if others else "--sheet"
        raise InputError(
            f"{option}: expected photos with labels. Received: {printable(str(source))}, which has "
            "none."
        )
    metadata = read_metadata(folder)
    has_scores = metadata.unknown_threshold is not None
    test = read_test_split(metadata)
    if test is None or (has_scores and UNKNOWN_SCORE not in test):
        raise InputError(
            f"{folder}: expected the results of its test split to compare with. Received: no "
            f"{project.TEST_PREDICTIONS_CSV}, or one of another model than {project.SERVED_MODEL}. "
            "Run this in the project of the model, after `dvc pull` or `dvc repro`."
        )
    with output(arguments, needs_all=True) as taken:
        if photos:
            images = [source / path for path in photos.table["path"]]
            rows = list(taken.take(predict_each(load_predictor(folder), images), len(images)))
        else:
            rows = read_answers(source, metadata.labels, has_scores)
        answers, left_out, failed = select_answers(rows, metadata.model)
        if not answers:
            raise InputError(
                f"{printable(str(source))}: expected predictions of the model {metadata.model} "
                f"with a label. Received: {left_out[OTHER_MODEL]:,} {OTHER_MODEL}, {len(failed):,} "
                "without a label. Run `pawprint predict` on these photos again."
            )
        print_left_out(left_out, failed)
        predicted = predictions_in(_tabulate_answers(answers, metadata), metadata)
        beside = predictions_in(test.assign(group=test.index), metadata)
        found = compare_photos(predicted, beside, read_confidence())
        if arguments.format == "json":
            numbers = {"images": len(answers), "test_images": len(test)}
            print_record(found._asdict() | numbers, left_out, failed)
        else:
            print_likeness(found, len(answers), len(test))
    if arguments.fail and found.verdict != LIKE:
        return FAILED
    return int(bool(failed))


def _tabulate_answers(rows: Sequence[dict], metadata: Metadata) -> pd.DataFrame:
    """Return what `predictions_in` takes of rows of `predict`; nobody knows what `actual` is."""
    probabilities = pd.DataFrame([row["probabilities"] for row in rows])[metadata.labels]
    predicted = np.array(metadata.labels)[metadata.classes(probabilities.to_numpy())]
    table = probabilities.add_prefix(PROBABILITY).assign(actual="", predicted=predicted)
    if metadata.unknown_threshold is not None:
        table[UNKNOWN_SCORE] = [row["unknown_score"] for row in rows]
    return table.assign(group=table.index)


def print_likeness(found: Likeness, photos: int, test: int) -> None:
    """Print the verdict, and a table of the fractions of photos and of test photos."""
    reasons = f" ({', '.join(found.different)})" if found.different else ""
    if found.verdict == LIKE and photos < FEW:
        reasons = "; they are few, so only a large difference would show"
    lines: list[Sequence[str]] = [("", f"{photos:,} photos", f"{test:,} test photos")]
    for score, label, *numbers in found.scores.itertuples(index=False):
        cells = ("{:.2%}, {:.2%} to {:.2%}".format(*side) for side in (numbers[:3], numbers[3:]))
        lines.append((f"{score} {label}", *cells))
    print("Without labels: compared with the test photos.")
    print(f"The photos: {found.verdict}{reasons}.\n\n{align(lines)}")
