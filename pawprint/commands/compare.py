"""The command `compare`: the predictions of two runs, image by image."""

import argparse
import contextlib
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.classes import log_losses
from pawprint.commands.check import require_reproduced
from pawprint.errors import InputError
from pawprint.files import parse_mapping
from pawprint.model.metadata import METADATA_FILE, parse_metadata
from pawprint.params.model import Evaluate
from pawprint.pipeline.dvc import WORKSPACE, read_revision
from pawprint.pipeline.recorded import Recorded
from pawprint.project import JUDGED, PREDICTED_CLASSES, PREDICTED_CSV, SCORES, SPLIT
from pawprint.scores.paired import MARGIN
from pawprint.scores.runs import COMPARED, TRAINING, Run, compare_runs
from pawprint.tables import parse_predictions, parse_table, with_image

MODEL_JSON = project.SERVED_MODEL / METADATA_FILE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    others = "compare these runs with the first; default: the workspace"
    parser.add_argument("new", metavar="REV", nargs="*", default=[WORKSPACE], help=others)
    gate = (
        "exit with status 1 if a run is worse than the first or cannot be compared, or if fewer "
        f"than {COMPARED:.0%} of the first run's test images are compared"
    ).replace("%", "%%")
    parser.add_argument("--gate", action="store_true", help=gate)
    parser.epilog = (
        "If photos or labels of two runs differ, a run is better or worse only if the log loss "
        f"also differs by {MARGIN:.0%}."
    )


def run(arguments: argparse.Namespace) -> int:
    """Say whether a run is better than another, with one test on all images that both have.

    A run is a commit, branch, tag or experiment. Each further run is compared with the first. By
    default, that is the workspace, whose params and code must have made its results. The test
    compares the log loss of validation and test images. Without fine-tuning, it includes the
    cross-validated training images, for which a commit's data is needed. Images that a run lacks,
    or has with another label, are left out and counted, with the reason. Images are matched by
    their pixels, not by their paths.

    Then follows what changes for users of the model: thresholds, the fraction of images that get a
    class, and the fraction flagged as unknown.

    Examples:
      pawprint compare HEAD
      pawprint compare --gate main
    """
    old = arguments.old
    new = arguments.new
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    runs = {rev: read_run(rev) for rev in (old, *new)}
    results = compare_runs(runs[old], [runs[rev] for rev in new], Evaluate.load().confidence)
    for compared in results:
        print(compared.text)
        if arguments.gate:
            print(compared.gate)
    return int(arguments.gate and not all(compared.passes for compared in results))


def read_run(rev: str, name: str = "") -> Run:
    """Read a run, whose name in sentences is `name` or the revision.

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Its data, in DVC's cache or in
    a remote, may be missing. Raises InputError if it has no predictions or no params.
    """
    judged = {split: read_revision(rev, path, _parse) for split, path in PREDICTED_CSV.items()}
    calibrate = read_revision(rev, project.PARAMS, _calibrate)
    run = Run(name or rev, judged, calibrate)
    try:
        run = run._replace(split=read_revision(rev, project.SPLIT_CSV, _parse_split))
        if read_revision(rev, project.FINETUNE_METRICS, json.loads)["kept_epoch"] == 0:
            judged[TRAINING] = read_revision(rev, project.CROSS_VALIDATION_CSV, _parse_judged)
    except InputError as error:
        run = run._replace(missing=str(error))
    if run.split is not None:
        with contextlib.suppress(InputError):
            metadata = read_revision(rev, MODEL_JSON, lambda text: parse_metadata(MODEL_JSON, text))
            test = read_revision(rev, project.TEST_PREDICTIONS_CSV, parse_predictions)
            return run._replace(metadata=metadata, test=test)
    # Git has these.
    with contextlib.suppress(InputError):
        run = run._replace(split_md5=read_revision(rev, project.LOCK, _md5_of_split))
        run = run._replace(scores=read_revision(rev, project.SCORES_CSV, _parse_scores))
    return run


def _calibrate(params: bytes) -> Mapping[str, object]:
    section = parse_mapping(params.decode(), str(project.PARAMS)).get("calibrate")
    return section if isinstance(section, dict) else {}


def _md5_of_split(lock: bytes) -> str | None:
    return Recorded(lock.decode()).hash_of("split", project.SPLIT_CSV)


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_table(content, PREDICTED_CLASSES)
    if predictions.empty:
        raise ValueError("expected a table with rows. Received: none")
    return predictions


def _parse_split(content: bytes) -> pd.DataFrame:
    return parse_table(content, SPLIT)


def _parse_scores(content: bytes) -> pd.DataFrame:
    return parse_table(content, SCORES)


def _parse_judged(content: bytes) -> pd.DataFrame:
    """Return the table PREDICTED_CLASSES of training images, of a table JUDGED."""
    table = with_image(parse_table(content, JUDGED))
    is_right = table["probability"] > table["likely_probability"]
    return pd.DataFrame(
        {
            "image": table["image"],
            "actual": table["label"],
            "predicted": table["label"].where(is_right, table["likely"]),
            "loss": log_losses(np.zeros(len(table), int), table[["probability"]].to_numpy()),
        }
    )
