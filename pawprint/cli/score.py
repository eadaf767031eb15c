"""Score the served model on labelled photos of its use, beside the test split.

FOLDER has photos in folders of classes, or a metadata.csv. Prints accuracy, mean recall, log loss
and the fraction called unknown with their intervals, beside those of the test split of the last
run, and whether they differ significantly; then each class, and which classes are confused. Copies
and near-duplicates of training images are left out. A file that cannot be used is listed on stderr,
and the exit status is 1.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from pawprint.cli import add_sheet, aligned
from pawprint.cli.predict import add_model
from pawprint.evaluation.review import confused, confusion
from pawprint.evaluation.scoring import Scored, score
from pawprint.reports.pages import MAX_ERRORS, write_errors
from pawprint.serving.predictor import default_model, load_predictor
from pawprint.tables import predicted_labels

MAX_CLASSES = 10  # of a confusion matrix; of more, the MAX_CLASSES most frequent confusions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of photos with labels")
    add_sheet(parser, f"also write a page with at most {MAX_ERRORS} of the most confident errors")
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="of the output; default: %(default)s"
    )
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    predictor = load_predictor(arguments.model or default_model())
    scored = score(predictor, arguments.folder)
    for row in scored.failed:
        print(f"score: {row['path']}: {row['error']}", file=sys.stderr)
    for reason, images in scored.left_out.items():
        if images:
            print(f"score: left out {images:,} photos: {reason}", file=sys.stderr)
    if not scored.has_test:
        print("score: no test split of this model here to compare with", file=sys.stderr)
    FORMATS[arguments.format](scored)
    if arguments.sheet:
        write_errors(arguments.sheet, arguments.folder, scored.predictions)
    return int(bool(scored.failed))


def print_table(scored: Scored) -> None:
    rows = scored.scores
    cells = pd.DataFrame(
        {
            "score": [f"{row.score.replace('_', ' ')} {row.label}" for row in rows.itertuples()],
            "photos": [_text(row.score, *row[3:6], row.images) for row in rows.itertuples()],
        }
    )
    if scored.has_test:
        of_test = rows[["score", "test", "test_low", "test_high"]].itertuples(index=False)
        cells["test split"] = [_text(*row) for row in of_test]
        cells["p"] = rows["p_value"].map(lambda value: "" if pd.isna(value) else f"{value:.4f}")
        cells["different"] = rows["different"]
    print(aligned([list(cells), *cells.to_numpy()]))
    table = scored.predictions
    if len(labels := predicted_labels(table)) <= MAX_CLASSES:
        print(f"\n{confusion(table, labels).to_string()}")
    elif len(pairs := confused(table, MAX_CLASSES)):
        print(f"\n{aligned([list(pairs), *pairs.astype(str).to_numpy()])}")


def _text(score: str, value: float, low: float, high: float, images: int | None = None) -> str:
    """Such as "95.50%, 91.69% to 97.61%, of 200", or the numbers of a score that is no fraction."""
    if pd.isna(value):
        return ""
    form = "{:.4f}" if score in ("loss", "roc_auc", "expected_calibration_error") else "{:.2%}"
    text = form.format(value)
    if not pd.isna(low):
        text += f", {form.format(low)} to {form.format(high)}"
    return text if images is None else f"{text}, of {images:,}"


def print_json(scored: Scored) -> None:
    labels = predicted_labels(scored.predictions)
    scores = scored.scores.astype(object).where(scored.scores.notna(), None)
    found = {
        "images": len(scored.predictions),
        "left_out": {reason: int(number) for reason, number in scored.left_out.items()},
        "scores": scores.to_dict("records"),
        "confusion": confusion(scored.predictions, labels).to_dict("index"),
        "errors": [{"path": row["path"], "error": row["error"]} for row in scored.failed],
    }
    print(json.dumps(found, indent=2))


FORMATS = {"table": print_table, "json": print_json}
