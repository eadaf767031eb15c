"""Read a run for comparison, from either a commit's files or this folder."""

import contextlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from pawprint import paths
from pawprint.classes import log_losses
from pawprint.columns import HISTORY, JUDGED, PREDICTED_CLASSES, SPLIT
from pawprint.errors import InputError
from pawprint.model.metadata import METADATA_FILE, parse_metadata
from pawprint.scores.compared_runs import TRAINING, Run
from pawprint.scores.prediction_table import parse_probabilities, with_image
from pawprint.scores.series import with_groups
from pawprint.tables import parse_table
from pawprint.yaml_file import parse_mapping

Parsed = TypeVar("Parsed")
MODEL_JSON = paths.SERVED_MODEL / METADATA_FILE


class Reader(Protocol):
    """Parses one of a run's files. Raises InputError if the file is missing."""

    def __call__(self, path: Path, parse: Callable[[bytes], Parsed], /) -> Parsed:
        """Parse; `parse` raises ValueError, with "expected …", for content that it cannot read."""


def read_run(read: Reader, name: str) -> Run:
    """Read a run with `read`. Sentences refer to it as `name`.

    Files that are only in DVC's cache may be missing. Raises InputError without predictions
    or params.
    """
    tables = {split: read(path, _parse) for split, path in paths.PREDICTED_CLASSES_CSV.items()}
    run = Run(name, tables, read(paths.PARAMS, _calibrate))
    try:
        split = read(paths.SPLIT_CSV, partial(parse_table, columns=SPLIT))
        choices = read(paths.CROSS_VALIDATION_JSON, json.loads)
        run = run._replace(split=with_groups(split, choices))
        history = read(paths.FINETUNE_HISTORY_CSV, partial(parse_table, columns=HISTORY))
        if not history["kept"].any():  # cross-validation does not describe a fine-tuned model
            tables[TRAINING] = read(paths.CROSS_VALIDATION_CSV, _parse_judged)
    except InputError as error:
        run = run._replace(missing=str(error))
    if run.split is not None:
        with contextlib.suppress(InputError):
            metadata = read(MODEL_JSON, partial(parse_metadata, MODEL_JSON))
            test = read(paths.TEST_PROBABILITIES_CSV, parse_probabilities)
            return run._replace(metadata=metadata, test=test)
    return run


def _calibrate(params: bytes) -> Mapping[str, object]:
    section = parse_mapping(params.decode(), str(paths.PARAMS)).get("calibrate")
    return section if isinstance(section, dict) else {}


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_table(content, PREDICTED_CLASSES)
    if predictions.empty:
        raise ValueError("expected a table with at least one row. Received: none")
    return predictions


def _parse_judged(content: bytes) -> pd.DataFrame:
    """Return the PREDICTED_CLASSES table for training images, from a JUDGED table."""
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
