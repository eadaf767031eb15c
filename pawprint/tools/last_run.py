"""What the project here has of its last run, for new photos to be compared with."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pawprint import project
from pawprint.errors import InputError
from pawprint.files import md5, md5_of_folder
from pawprint.model.metadata import METADATA_FILE, Metadata, read_metadata
from pawprint.params.data import Clean, Split
from pawprint.params.model import Evaluate
from pawprint.pipeline.recorded import Recorded
from pawprint.project import IMAGES, SPLIT, UNKNOWN_SCORE
from pawprint.tables import predicted_labels, read_predictions, read_table

# Where there is no params.yaml.
CONFIDENCE = 0.95  # of intervals
DISTANCE = 8  # of near-duplicates


class LabelledImages(NamedTuple):
    """The images of the last run: the tables IMAGES and SPLIT, of no row where there are none.

    `distance` is that of near-duplicates, `missing` the first file that is not there, if any.
    """

    images: pd.DataFrame
    split: pd.DataFrame
    archives: Path
    distance: int
    missing: Path | None


class LastRun(NamedTuple):
    """`test` is the table PREDICTIONS of the test split by a model, or None if there is none.

    `folders` is `clean.labels`: the folders of each class, or the reading of folders; `confidence`
    is that of intervals.
    """

    test: pd.DataFrame | None
    labelled: LabelledImages
    folders: dict[str, list[str]] | str
    confidence: float


def read_last_run(metadata: Metadata) -> LastRun:
    """Its test split only if the model with these metadata is the served one."""
    folders = Clean.load().labels if project.PARAMS.exists() else "auto"
    return LastRun(read_test_split(metadata), read_labelled(), folders, read_confidence())


def read_confidence() -> float:
    return Evaluate.load().confidence if project.PARAMS.exists() else CONFIDENCE


def read_labelled() -> LabelledImages:
    distance = Split.load().near_duplicate_distance if project.PARAMS.exists() else DISTANCE
    tables = {project.IMAGES_CSV: IMAGES, project.SPLIT_CSV: SPLIT}
    missing = [path for path in (*tables, project.RAW_ARCHIVES) if not path.exists()]
    images, split = (
        pd.DataFrame(columns=list(columns))
        if tables.keys() & set(missing)
        else read_table(path, columns)
        for path, columns in tables.items()
    )
    return LabelledImages(images, split, project.RAW_ARCHIVES, distance, next(iter(missing), None))


def read_test_split(metadata: Metadata) -> pd.DataFrame | None:
    """The table PREDICTIONS of the test split by the served model, or None if there is none.

    None also if `metadata` have another identity than the served model, or if the table or the
    served model is another than dvc.lock has.
    """
    table, served = project.TEST_PREDICTIONS_CSV, project.SERVED_MODEL
    if not table.exists() or not (served / METADATA_FILE).exists():
        return None
    recorded = Recorded()
    of_table, of_model = recorded.hash_of("evaluate", table), recorded.hash_of("calibrate", served)
    of_model = recorded.hash_of("evaluate", served, "deps") or of_model  # not before version 0.4
    now = md5(table), md5_of_folder(served)
    if any((of_table, of_model)) and (of_table, of_model) != now:
        return None
    if read_metadata(served).model != metadata.model:
        return None
    predictions = read_predictions(table)
    return predictions if predicted_labels(predictions) == metadata.labels else None


def require_test_split(metadata: Metadata, folder: Path) -> pd.DataFrame:
    """As `read_test_split`, of the model in `folder`.

    Raises InputError if there is none, or it has no unknown scores where the model gives some.
    """
    test = read_test_split(metadata)
    if test is None:
        raise InputError(
            f"{folder}: expected the results of its test split to compare with. Received: no "
            f"{project.TEST_PREDICTIONS_CSV}, or one of another model than {project.SERVED_MODEL}. "
            "Run this in the project of the model, after `dvc pull` or `dvc repro`."
        )
    if metadata.unknown_threshold is not None and UNKNOWN_SCORE not in test:
        raise InputError(
            f"{project.TEST_PREDICTIONS_CSV}: expected the column {UNKNOWN_SCORE}. Received: a "
            "table of an earlier version. Run `dvc repro evaluate`."
        )
    return test
