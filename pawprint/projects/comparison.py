"""The results of a run: of the workspace, or of a commit, branch, tag or experiment."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pawprint import paths
from pawprint.classes import log_losses
from pawprint.columns import JUDGED, PREDICTED_CLASSES, SCORES, SPLIT
from pawprint.errors import InputError
from pawprint.files import parse_mapping
from pawprint.model.metadata import METADATA_FILE, parse_metadata
from pawprint.paths import PREDICTED_CLASSES_CSV
from pawprint.pipeline.dvc import read_revision
from pawprint.pipeline.recorded import Recorded
from pawprint.scores.prediction_table import parse_predictions, with_image
from pawprint.scores.runs import TRAINING, Run
from pawprint.tables import parse_table

MODEL_JSON = paths.SERVED_MODEL / METADATA_FILE


def read_run(folder: Path, rev: str, name: str = "") -> Run:
    """Read a run of a project, whose name in sentences is `name` or the revision.

    A revision is a commit, branch, tag or experiment, or WORKSPACE. Its data, in DVC's cache or in
    a remote, may be missing. Raises InputError if it has no predictions or no params.
    """
    judged = {
        split: read_revision(folder, rev, path, _parse)
        for split, path in PREDICTED_CLASSES_CSV.items()
    }
    calibrate = read_revision(folder, rev, paths.PARAMS, _calibrate)
    run = Run(name or rev, judged, calibrate)
    try:
        run = run._replace(split=read_revision(folder, rev, paths.SPLIT_CSV, _parse_split))
        if read_revision(folder, rev, paths.FINETUNE_METRICS, json.loads)["kept_epoch"] == 0:
            judged[TRAINING] = read_revision(folder, rev, paths.CROSS_VALIDATION_CSV, _parse_judged)
    except InputError as error:
        run = run._replace(missing=str(error))
    if run.split is not None:
        with contextlib.suppress(InputError):
            metadata = read_revision(
                folder, rev, MODEL_JSON, lambda text: parse_metadata(MODEL_JSON, text)
            )
            test = read_revision(folder, rev, paths.TEST_PROBABILITIES_CSV, parse_predictions)
            return run._replace(metadata=metadata, test=test)
    # Git has these.
    with contextlib.suppress(InputError):
        run = run._replace(split_md5=read_revision(folder, rev, paths.LOCK, _md5_of_split))
        run = run._replace(scores=read_revision(folder, rev, paths.SCORES_CSV, _parse_scores))
    return run


def _calibrate(params: bytes) -> Mapping[str, object]:
    section = parse_mapping(params.decode(), str(paths.PARAMS)).get("calibrate")
    return section if isinstance(section, dict) else {}


def _md5_of_split(lock: bytes) -> str | None:
    return Recorded(lock.decode()).hash_of("split", paths.SPLIT_CSV)


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
