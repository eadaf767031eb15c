"""Feature extraction: a new head on stored features, solved or, if that cannot be, trained."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.features.store import StoredExamples
from pawprint.network.head_weights import HeadWeights, kinds_of
from pawprint.network.solved_head import (
    CrossValidation,
    Examples,
    part_that_fits,
    solve,
)
from pawprint.params.training import IN_BATCHES, LBFGS, Hardware, Head, TrainHead


class Settings(NamedTuple):
    """How to train; the table HISTORY is written to `path` after each epoch."""

    train: TrainHead
    head: Head
    hardware: Hardware
    path: Path


class NewHead(NamedTuple):
    """Weights, metrics on validation before and after, the table HISTORY, and how they were found,
    such as "by logistic regression, C = 10, views = 1".
    """

    weights: HeadWeights
    initial: dict[str, float]
    validation: dict[str, float]
    history: pd.DataFrame
    how: str


def open_examples(stored: StoredExamples, features: str, class_weight: str | None) -> Examples:
    """The training images; with `features` auto those of blocks, if stored, are open to choice."""
    images = stored.images[stored.images["split"] == "train"]
    is_open = features == "auto" and stored.has("blocks")
    return Examples(
        stored.open("train", *kinds_of(features == "blocks")),
        stored.classes("train"),
        images["group"].to_numpy(),
        len(stored.labels),
        class_weight,
        stored.open("train", *kinds_of(True)) if is_open else None,
    )


def learn_head(
    stored: StoredExamples,
    examples: Examples,
    crossed: CrossValidation,
    has_blocks: bool,
    settings: Settings,
) -> NewHead:
    """A head on the features that the cross-validation chose; `has_blocks` says whether of blocks.

    With LBFGS it is solved. What that cannot hold is learned in batches, as IN_BATCHES says.
    """
    params = settings.train
    if params.optimizer == LBFGS:
        part = part_that_fits(examples, crossed)
        if part is not None:
            return _solved(stored, examples, crossed, has_blocks, part)
        print(
            f"train_extract: lbfgs cannot hold {len(examples.actual):,} images with "
            f"{examples.classes:,} classes, so adam learns in batches"
        )
        params = IN_BATCHES.model_copy(update={"class_weight": params.class_weight})
    from pawprint.network.training import Phase, train_stored_head  # TensorFlow starts here

    phase = Phase("train_extract", params, path=settings.path)
    trained = train_stored_head(stored, has_blocks, settings.head, phase, settings.hardware)
    return NewHead(*trained, f"after {len(trained[-1])} epochs")


def _solved(
    stored: StoredExamples,
    examples: Examples,
    crossed: CrossValidation,
    has_blocks: bool,
    part: np.ndarray,
) -> NewHead:
    held_out = stored.open("validation", *kinds_of(has_blocks)), stored.classes("validation")
    solved = solve(examples, held_out, stored.labels, crossed, part)
    how = f"by logistic regression, C = {crossed.C:g}, views = {solved.views}"
    if len(part) < len(examples.actual):
        how += f", of a random part of {len(part):,} of {len(examples.actual):,} images"
    weights = HeadWeights(solved.arrays, solved.standardisation, has_blocks)
    return NewHead(weights, solved.initial, solved.validation, solved.history, how)
