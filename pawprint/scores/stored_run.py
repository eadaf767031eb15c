"""Read a run for comparison, from either a commit's files or this folder."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.classes import log_losses
from pawprint.base.columns import HISTORY, JUDGED, PREDICTED_CLASSES, SPLIT
from pawprint.base.errors import InputError
from pawprint.base.tables import parse_table
from pawprint.scores.compared_runs import TRAINING, Run
from pawprint.scores.prediction_table import with_image
from pawprint.scores.series import with_groups

Parsed = TypeVar("Parsed")


class Reader(Protocol):
    """Parses one of a run's files. Raises InputError if the file is missing."""

    def __call__(self, path: Path, parse: Callable[[bytes], Parsed], /) -> Parsed:
        """Parse; `parse` raises ValueError, with "expected …", for content that it cannot read."""


def read_run(read: Reader, name: str) -> Run:
    """Read a run with `read`. Sentences refer to it as `name`.

    Files that are only in DVC's cache may be missing. Raises InputError without predictions.
    """
    tables = {split: read(path, _parse) for split, path in paths.PREDICTED_CLASSES_CSV.items()}
    run = Run(name, tables)
    try:
        history = read(paths.FINETUNE_HISTORY_CSV, partial(parse_table, columns=HISTORY))
        is_tuned = history["kept"].any()
        run = run._replace(epochs=1 + len(history) if is_tuned else 1)
        split = read(paths.SPLIT_CSV, partial(parse_table, columns=SPLIT))
        choices = read(paths.CROSS_VALIDATION_JSON, json.loads)
        run = run._replace(split=with_groups(split, choices))
        if not is_tuned:  # cross-validation does not describe a fine-tuned model
            tables[TRAINING] = read(paths.CROSS_VALIDATION_CSV, _parse_judged)
    except InputError as error:
        run = run._replace(missing=str(error))
    return run


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
