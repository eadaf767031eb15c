"""The `score` command: the model on production photos, compared with the last test split.

It does not estimate the accuracy on unlabelled photos, because an estimate from confidences would
be too high for photos of another kind.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pawprint import commands
from pawprint.errors import InputError, printable
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import Predictor, default_model
from pawprint.projects import scoring
from pawprint.reports.pages import MAX_ERRORS, rows_beside_test, write_errors
from pawprint.scores.prediction_table import confusion, most_confused
from pawprint.scores.verdict import ModelComparison, describe_verdict, tabulate_sets

FAILED = 3  # exit status with --fail
MAX_CONFUSED = 5  # pairs of classes to show
Result = scoring.ScoreResult | scoring.LikenessResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    source = "score these photos, or the output of `predict --format csv` or jsonl or `serve --log`"
    parser.add_argument("source", type=Path, metavar="FOLDER", help=source)
    sheet = (
        f"write a new page with up to {MAX_ERRORS} of the most confident errors on labelled photos"
    )
    commands.add_sheet(parser, sheet)
    fail = f"exit with status {FAILED} if unlabelled photos differ from the test photos"
    parser.add_argument("--fail", action="store_true", help=fail)
    commands.add_format(parser, ("table", "json"))
    commands.add_model(parser, "; further models are compared with the first", action="append")


def run(arguments: argparse.Namespace) -> int:
    """Score the served model on production photos and compare it with the last run's test split.

    Labelled photos are in folders named after the classes, or listed in a metadata.csv. The
    output contains the accuracy, the balanced accuracy, the log loss and the fraction
    flagged as unknown, with intervals, and shows which differ significantly from the test split.
    It also lists each class, and the most confused classes.
    Copies and near-duplicates of training images are left out. In intervals and tests, a group of
    photos counts as one. If --model is repeated, each further model is compared with the first one,
    photo by photo.

    If no folder is named after a class, the photos are unlabelled. The photos in a table are always
    unlabelled. In this case, the command compares the fractions flagged as unknown and unsure, the
    predicted classes and the mean confidence with the values for the test photos. Even if no
    difference is found, the model may be wrong, so label some photos from time to time.

    Files that cannot be used are listed on stderr, and the exit status is 1.

    Examples:
      pawprint score ../may_labelled --sheet ../errors.html
      pawprint score ../june --fail
      pawprint score photos --model models/served --model ../new/models/served
    """
    source = arguments.source
    commands.require_existing(source)
    arguments.model = arguments.model or [default_model()]
    labels = read_metadata(arguments.model[0]).labels
    photos = scoring.find_photos(Path(), source, labels) if source.is_dir() else None
    if photos is None or photos.table["label"].isna().all():
        return _compare_unlabelled(arguments, photos)
    if arguments.fail:
        raise InputError(
            f"--fail: expected unlabelled photos. Received: {printable(str(source))}, which has "
            f"photos labelled {', '.join(photos.table['label'].dropna().unique())}."
        )
    return _score_labelled(arguments, photos)


def _score_labelled(arguments: argparse.Namespace, photos: scoring.Photos) -> int:
    """Score each model and compare the others with the first."""
    folders = arguments.model
    predictors = scoring.load_predictors(folders)
    labels = predictors[0].metadata.labels
    with commands.output(arguments, needs_all=True) as taken:
        scored = [_score_and_say(predictor, photos, taken) for predictor in predictors]
        compared = list(zip(folders[1:], scoring.compare_models(scored)))
        if arguments.format == "json":
            print_record(_record_of(scored[0], compared, labels), scored[0])
        else:
            for folder, result in zip(folders, scored):
                if compared:
                    print(folder)
                print_scores(result)
            for folder, comparison in compared:
                sentence = describe_verdict(str(folders[0]), str(folder), comparison, "photos")
                print(f"\n{sentence}\n")
                print(tabulate_sets(comparison).to_string(index=False))
    if arguments.sheet:
        write_errors(
            arguments.sheet, predictors[0].metadata.bits, photos.folder, scored[0].predictions
        )
    return int(any(result.failed for result in scored))


def _score_and_say(
    predictor: Predictor, photos: scoring.Photos, taken: commands.Taken
) -> scoring.ScoreResult:
    """Score a model and report which photos are left out of its scores."""
    scored = scoring.score(Path(), predictor, photos, taken.take)
    print_left_out(scored)
    if not scored.has_training:
        print(
            "score: near-duplicates are included, because no training images are here",
            file=sys.stderr,
        )
    if scored.scores["test"].isna().all():
        print("score: cannot compare with the test split: it is missing here", file=sys.stderr)
    return scored


def print_scores(scored: scoring.ScoreResult) -> None:
    """Print a sentence about the accuracy, a table of scores, and the most frequent errors."""
    scores = scored.scores
    first = scores.iloc[0]
    sentence = f"The model is correct on {first['value']:.2%} of {first['images']:,} photos"
    if scores["test"].notna().any():
        different = scores[scores["different"] == "yes"]
        titles = (different["score"].str.replace("_", " ") + " " + different["label"]).str.strip()
        sentence += (
            f", and on {first['test']:.2%} of the test split; significantly different: "
            f"{', '.join(titles) or 'none'}"
        )
    print(f"{sentence}.\n\n{commands.align(rows_beside_test(scores))}")
    pairs = most_confused(scored.predictions, MAX_CONFUSED).itertuples()
    if named := ", ".join(f"{row.actual} as {row.predicted} ({row.images})" for row in pairs):
        print(f"\nMost frequent errors: {named}.")


def _record_of(
    scored: scoring.ScoreResult, compared: Sequence[tuple[Path, ModelComparison]], labels: list[str]
) -> dict:
    record = {"images": len(scored.predictions), "scores": scored.scores, "compared": []}
    record["confusion"] = confusion(scored.predictions, labels).to_dict("index")
    for folder, comparison in compared:
        test = comparison.test._asdict() | {"verdict": comparison.test.verdict}
        sets = comparison.sets.to_dict("records")
        cells = comparison._asdict() | {"test": test, "sets": sets}
        record["compared"].append({"model": str(folder), **cells})
    return record


def _compare_unlabelled(arguments: argparse.Namespace, photos: scoring.Photos | None) -> int:
    """Compare the photos in a folder, or the rows of a table (None), with the test photos."""
    source = arguments.source
    folder, *others = arguments.model
    if others or arguments.sheet:
        option = "--model, given twice" if others else "--sheet"
        raise InputError(
            f"{option}: expected labelled photos. Received: {printable(str(source))}, which does "
            "not have any labels."
        )
    with commands.output(arguments, needs_all=True) as taken:
        compared = scoring.compare_unlabelled(Path(), folder, source, photos, taken.take)
        print_left_out(compared)
        if arguments.format == "json":
            numbers = {"images": compared.images, "test_images": compared.test_images}
            print_record(compared.likeness._asdict() | numbers, compared)
        else:
            print_likeness(compared)
    if arguments.fail and not compared.is_like:
        return FAILED
    return int(bool(compared.failed))


def print_likeness(compared: scoring.LikenessResult) -> None:
    """Print the verdict, and a table with fractions for the photos and the test photos."""
    titles = ("", f"{compared.images:,} photos", f"{compared.test_images:,} test photos")
    lines: list[Sequence[str]] = [titles]
    for name, label, *numbers in compared.likeness.scores.itertuples(index=False):
        cells = ("{:.2%}, {:.2%} to {:.2%}".format(*side) for side in (numbers[:3], numbers[3:]))
        lines.append((f"{name} {label}", *cells))
    print("Without labels: compared with the test photos.")
    print(f"{compared.describe()}\n\n{commands.align(lines)}")


def print_left_out(result: Result) -> None:
    """Report on stderr which files have no label, and how many photos are left out."""
    for row in result.failed:
        print(f"score: {row['path']}: {row['error']}", file=sys.stderr)
    for reason, images in result.left_out.items():
        if images:
            print(f"score: photos left out: {images:,} {reason}", file=sys.stderr)


def print_record(record: dict, result: Result) -> None:
    """Print a record of a result. In its table `scores`, empty cells are null."""
    scores = record["scores"].astype(object).where(record["scores"].notna(), None)
    record |= {"scores": scores.to_dict("records")}
    record["left_out"] = {reason: int(number) for reason, number in result.left_out.items()}
    record["errors"] = [{"path": row["path"], "error": row["error"]} for row in result.failed]
    print(json.dumps(record, indent=2))
