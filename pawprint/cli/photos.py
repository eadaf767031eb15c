"""Commands that run the model on photos of its use: `score`, `monitor`, `suggest`."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from pawprint.commands import (
    Taken,
    add_format,
    add_model,
    add_sheet,
    align,
    count,
    output,
    require_existing,
)
from pawprint.commands.predict import FORMATS
from pawprint.errors import InputError, printable
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import (
    Predictor,
    default_model,
    find_images,
    load_predictor,
    predict_each,
)
from pawprint.reports.pages import (
    MAX_ERRORS,
    describe_score,
    slice_rows,
    write_errors,
    write_suggestions,
)
from pawprint.scores.metrics import SLICE
from pawprint.scores.paired import Comparison, describe_comparison
from pawprint.scores.predictions import confusion, most_confused
from pawprint.scores.shift import DIFFERENCE
from pawprint.tools import last_run, monitoring
from pawprint.tools.scoring import ScoreResult, compare_models, score
from pawprint.tools.suggestion import suggest

MAX_CONFUSED = 5  # pairs of classes


def add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of photos with labels")
    add_sheet(parser, f"also write a page with at most {MAX_ERRORS} of the most confident errors")
    add_format(parser, ("table", "json"))
    add_model(parser, "; others are compared with the first one given", action="append")


def run_score(arguments: argparse.Namespace) -> int:
    """Score the served model on labelled photos of its use, beside the test split.

    FOLDER has photos in folders of classes, or a metadata.csv. Prints accuracy, mean recall, log
    loss and the fraction called unknown with their intervals, beside those of the test split of the
    last run, and whether they differ significantly; each class and slice of metadata.csv; and
    which classes are confused. Copies and near-duplicates of training images are left out; photos
    of a group in metadata.csv count as one in intervals and tests. With several --model, each is
    scored, and the others are compared with the first, photo by photo. A file that cannot be used
    is listed on stderr, and the exit status is 1.
    """
    require_existing(arguments.folder)
    folders = arguments.model or [default_model()]
    predictors = list(map(load_predictor, folders))
    labels = predictors[0].metadata.labels
    for predictor in predictors[1:]:
        if predictor.metadata.labels != labels:
            raise InputError(
                f"{predictor.folder}: expected the classes of {folders[0]}, {', '.join(labels)}. "
                f"Received: {', '.join(predictor.metadata.labels)}. Score it alone."
            )
    level = last_run.read_confidence()
    with output(arguments, needs_all=True) as taken:
        scored = [_score(predictor, arguments.folder, taken) for predictor in predictors]
        others = list(zip(folders[1:], compare_models(scored, level)))
        if arguments.format == "json":
            table = scored[0].predictions
            record = {"images": len(table), "scores": scored[0].scores}
            record["confusion"] = confusion(table, labels).to_dict("index")
            record["compared"] = [
                {"model": str(folder), **record_of(comparison)} for folder, comparison in others
            ]
            print_json(record, scored[0].left_out, scored[0].failed)
        else:
            for folder, of_model in zip(folders, scored):
                print(f"{folder}\n" * bool(others), end="")
                print_scores(of_model)
            for folder, comparison in others:
                print(f"\n{describe_comparison(str(folders[0]), str(folder), comparison)}")
    if arguments.sheet:
        first = predictors[0].metadata.bits, arguments.folder, scored[0].predictions
        write_errors(arguments.sheet, *first)
    return int(any(of_model.failed for of_model in scored))


def _score(predictor: Predictor, folder: Path, taken: Taken) -> ScoreResult:
    """Score a model, and print what is left out of its scores."""
    run = last_run.read_last_run(predictor.metadata)
    scored = score(predictor, folder, run, taken.take)
    print_left_out("score", scored.left_out, scored.failed)
    groups, photos = scored.predictions["group"].nunique(), len(scored.predictions)
    if groups < photos:
        line = f"{photos:,} photos of {groups:,} groups: a group counts as one photo"
        print(f"score: {line} in intervals and tests", file=sys.stderr)
    if run.labelled.split.empty:
        line = "no training images here to compare with: near-duplicates of them count"
        print(f"score: {line}", file=sys.stderr)
    if not scored.has_test:
        print("score: no test split of this model here to compare with", file=sys.stderr)
    return scored


def record_of(comparison: Comparison) -> dict:
    test, sets = comparison.test, comparison.sets.to_dict("records")
    test = test._asdict() | {"verdict": test.verdict}
    return comparison._asdict() | {"test": test, "sets": sets}


def print_scores(scored: ScoreResult) -> None:
    is_of_slice = scored.scores["score"].isin([SLICE, DIFFERENCE])
    rows = scored.scores[~is_of_slice]
    title = rows["score"].str.replace("_", " ") + " " + rows["label"]
    cells = pd.DataFrame({"score": title, "photos": rows.apply(describe_score, axis=1)})
    if scored.has_test:
        of_test = rows[["score", "test", "test_low", "test_high"]]
        of_test = of_test.set_axis(["score", "value", "low", "high"], axis=1)
        cells["test split"] = of_test.apply(describe_score, axis=1)
        cells["p"] = rows["p_value"].map(lambda value: "" if pd.isna(value) else f"{value:.4f}")
        cells["different"] = rows["different"]
    first = rows.iloc[0]
    sentence = f"The model is right for {first['value']:.2%} of {first['images']:,} photos"
    if scored.has_test:
        titles = ", ".join(title[rows["different"] == "yes"].str.strip()) or "no score"
        sentence += (
            f", and for {first['test']:.2%} of the test split; significantly different: {titles}"
        )
    lines, pad = [list(cells), *cells.to_numpy()], [""] * (len(cells.columns) - 2)
    for name, accuracy, difference in slice_rows(scored.scores):
        lines.append((name, f"{accuracy}; from the others {difference}", *pad))
    print(f"{sentence}.\n\n{align(lines)}")
    pairs = most_confused(scored.predictions, MAX_CONFUSED).itertuples()
    if named := ", ".join(f"{row.actual} as {row.predicted} ({row.images})" for row in pairs):
        print(f"\nMost frequent errors: {named}.")


def print_left_out(command: str, left_out: dict[str, int], failed: list[dict]) -> None:
    for row in failed:
        print(f"{command}: {row['path']}: {row['error']}", file=sys.stderr)
    for reason, images in left_out.items():
        if images:
            print(f"{command}: photos left out: {images:,} {reason}", file=sys.stderr)


def print_json(record: dict, left_out: dict[str, int], failed: list[dict]) -> None:
    """Print a record, whose table `scores` has null for cells without a value."""
    scores = record["scores"].astype(object).where(record["scores"].notna(), None)
    record |= {"scores": scores.to_dict("records")}
    record["left_out"] = {reason: int(number) for reason, number in left_out.items()}
    record["errors"] = [{"path": row["path"], "error": row["error"]} for row in failed]
    print(json.dumps(record, indent=2))


FAILED = 3  # exit status of --fail


def add_monitor(parser: argparse.ArgumentParser) -> None:
    source = "folder of photos, or table of predictions"
    parser.add_argument("source", type=Path, metavar="SOURCE", help=source)
    fail = f"exit with status {FAILED} unless the photos are like the test photos"
    parser.add_argument("--fail", action="store_true", help=fail)
    add_format(parser, ("table", "json"))
    add_model(parser)


def run_monitor(arguments: argparse.Namespace) -> int:
    """Test whether photos without labels are like the test photos of the last run.

    SOURCE is a folder of photos, a table that `pawprint predict --format csv` wrote, or the log of
    a service. Of copies one counts, and of a table the rows of this model. Prints the fraction
    called unknown, the unknown scores, the predicted classes and the mean confidence, with
    intervals, beside those of the test split, and a verdict: like the test photos, other
    proportions of the classes, or other images. No alarm does not mean that the model is right:
    score labelled photos from time to time. A file that cannot be used, or could not by `predict`,
    is listed on stderr, and the exit status is 1.
    """
    source, folder = arguments.source, arguments.model or default_model()
    require_existing(source)
    metadata = read_metadata(folder)
    test = last_run.require_test_split(metadata, folder)
    with output(arguments, needs_all=True) as taken:
        if source.is_dir():
            images = find_images([source])
            predicted = taken.take(predict_each(load_predictor(folder), images), len(images))
            rows = monitoring.tabulate_rows(predicted)
        else:
            rows = monitoring.read_photos(source, metadata)
        photos, left_out, failed = monitoring.select(rows, metadata, source)
        print_left_out("monitor", left_out, failed)
        if photos.empty:
            raise InputError(
                f"{printable(str(source))}: expected photos with a label. Received: none."
            )
        monitored = monitoring.monitor(metadata, photos, test, last_run.read_confidence())
        if arguments.format == "json":
            images = {"images": len(photos), "test_images": len(test)}
            record = {"verdict": monitored.verdict, **images, "scores": monitored.scores}
            print_json(record, left_out, failed)
        else:
            print_monitoring(monitored, len(photos), len(test))
    if arguments.fail and monitored.verdict != monitoring.LIKE:
        return FAILED
    return int(bool(failed))


TITLES = {
    "unknown": "called unknown",
    "unknown_score": "higher unknown score than a test photo",
    "unsure": "called unsure",
    "classes": "predicted",
    "confidence": "mean confidence",
}


def print_monitoring(monitored: monitoring.MonitorResult, photos: int, test: int) -> None:
    lines = [("", f"{photos:,} photos", f"{test:,} test photos", "p", "different")]
    of_class = monitored.scores["score"] == "classes"  # which together have one test
    for row in monitored.scores.itertuples():
        of_both = (row.value, row.low, row.high), (row.test, row.test_low, row.test_high)
        title = f"{TITLES[row.score]} {row.label}"
        cells = (_in_percent(*interval) for interval in of_both)
        tested = (f"{row.p_value:.4f}", row.different) if row.p_value >= 0 else ("", "")
        if of_class[row.Index]:
            if row.Index == of_class.idxmax():
                lines.append(("predicted classes", "", "", *tested))
            tested = "", ""
        lines.append((title, *cells, *tested))
    few = "; they are few, so only a large difference would show"
    is_unsure = monitored.verdict == monitoring.LIKE and photos < monitoring.FEW
    print(f"The photos: {monitored.verdict}{few * is_unsure}.\n\n{align(lines)}")


def _in_percent(value: float, low: float, high: float) -> str:
    return f"{value:.2%}" if low != low else f"{value:.2%}, {low:.2%} to {high:.2%}"


def add_suggest(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    folder = "of images, also in subfolders"
    source.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=folder)
    table = "the images in a table of `pawprint predict --format csv`"
    source.add_argument("--from", dest="table", type=Path, metavar="TABLE", help=table)
    number = "number of images; default: %(default)s"
    parser.add_argument("-n", "--number", type=count, default=50, metavar="N", help=number)
    add_sheet(parser, "also write a page with the photos")
    add_format(parser, FORMATS)
    add_model(parser)


def run_suggest(arguments: argparse.Namespace) -> int:
    """Rank images without a label by how much a label would help.

    First come images that the model calls unsure, then others of which it is uncertain, and which
    are unlike the training images and unlike the images before them in the list. Near-duplicates of
    labelled images, and of images before them in the list, are left out. Images that the model
    calls unknown are, too; of those of a table, they may be half of the list. Files that give no
    label come last, with the reason, and the exit status is 1. `pawprint keep-splits`, before you
    add images, and `pawprint keep-splits --train`, after `dvc repro split`, make the images that
    you label training images only. Ctrl-C ranks the images that were looked at until then.
    """
    source = arguments.folder or arguments.table
    require_existing(source)
    predictor = load_predictor(arguments.model or default_model())
    labelled = last_run.read_labelled()
    with output(arguments) as taken:
        suggestions = suggest(predictor, source, labelled, arguments.number, taken.take)
        rows = [row for _, row in suggestions]
        FORMATS[arguments.format](rows, predictor.metadata.labels, None)
    if arguments.sheet:
        write_suggestions(arguments.sheet, predictor.metadata.bits, suggestions)
    return int(any(row["error"] for row in rows))
